#include "explorer/source_text.hpp"

#include <dlfcn.h>

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <vector>

namespace model {

namespace {

const std::string& line_of(const std::string& file, std::size_t number) {
  static std::map<std::string, std::vector<std::string>> files;
  static const std::string nothing;
  auto [at, is_new] = files.try_emplace(file);
  if (is_new) {
    std::ifstream in(file);
    for (std::string line; std::getline(in, line);) {
      const std::size_t first = line.find_first_not_of(' ');
      at->second.push_back(first == std::string::npos ? "" : line.substr(first));
    }
  }
  return number >= 1 && number <= at->second.size() ? at->second[number - 1] : nothing;
}

std::string shown(const std::string& file, std::size_t line) {
  return file.substr(file.rfind('/') + 1) + ':' + std::to_string(line) + "  " + line_of(file, line);
}

}  // namespace

std::string source_line(const std::source_location& at) { return shown(at.file_name(), at.line()); }

std::string code_line(const void* code) {
  Dl_info found{};
  if (dladdr(code, &found) == 0 || found.dli_fname == nullptr) return "?";
  const auto offset =
      reinterpret_cast<std::uintptr_t>(code) - reinterpret_cast<std::uintptr_t>(found.dli_fbase);
  std::ostringstream command;
  // One less: the address is a return address.
  command << "addr2line -e '" << found.dli_fname << "' 0x" << std::hex << offset - 1 << " 2>/dev/null";
  const std::unique_ptr<FILE, int (*)(FILE*)> tool(popen(command.str().c_str(), "r"), &pclose);
  char text[1024] = "";
  if (tool == nullptr || std::fgets(text, sizeof text, tool.get()) == nullptr) return "?";
  const std::string line = text;
  const std::size_t colon = line.rfind(':');
  if (colon == std::string::npos || line[0] == '?') return "?";
  return shown(line.substr(0, colon), std::strtoul(line.c_str() + colon + 1, nullptr, 10));
}

}  // namespace model
