#include "work.hpp"

void bench::crawl_serial(crawl_work& work, unsigned) {
  std::vector<crawl::url> open{work.start()};
  while (!open.empty()) {
    const crawl::url next = std::move(open.back());
    open.pop_back();
    for (crawl::url& u : work.visit(next, [](auto request) { return request(); }))
      open.push_back(std::move(u));
  }
}
