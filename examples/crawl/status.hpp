// HTTP's status codes in words.
#pragma once

#include <string>

namespace crawl {

// "404 Not Found"; only the number where there is no name.
std::string status_text(long status);

}  // namespace crawl
