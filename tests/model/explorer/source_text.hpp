// Places in the source, for people: the file, the line and what stands there.
#pragma once

#include <source_location>
#include <string>

namespace model {

std::string source_line(const std::source_location& at);
// The same for an address in the program's code.
std::string code_line(const void* code);

}  // namespace model
