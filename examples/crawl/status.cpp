#include "crawl/status.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace crawl {
namespace {

constexpr std::array names{std::pair{300L, "Multiple Choices"},
                           std::pair{400L, "Bad Request"},
                           std::pair{401L, "Unauthorized"},
                           std::pair{402L, "Payment Required"},
                           std::pair{403L, "Forbidden"},
                           std::pair{404L, "Not Found"},
                           std::pair{405L, "Method Not Allowed"},
                           std::pair{406L, "Not Acceptable"},
                           std::pair{408L, "Request Timeout"},
                           std::pair{410L, "Gone"},
                           std::pair{414L, "URI Too Long"},
                           std::pair{418L, "I'm a teapot"},
                           std::pair{421L, "Misdirected Request"},
                           std::pair{429L, "Too Many Requests"},
                           std::pair{451L, "Unavailable For Legal Reasons"},
                           std::pair{500L, "Internal Server Error"},
                           std::pair{501L, "Not Implemented"},
                           std::pair{502L, "Bad Gateway"},
                           std::pair{503L, "Service Unavailable"},
                           std::pair{504L, "Gateway Timeout"},
                           std::pair{505L, "HTTP Version Not Supported"}};

}  // namespace

std::string status_text(long status) {
  const auto* const known =
      std::find_if(names.begin(), names.end(), [&](const auto& n) { return n.first == status; });
  const std::string number = std::to_string(status);
  return known == names.end() ? number : number + " " + known->second;
}

}  // namespace crawl
