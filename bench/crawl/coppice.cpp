// One worker for each core; what stands still lends its core to a spare.
#include <coppice/blocking.hpp>
#include <coppice/coppice.hpp>

#include "work.hpp"

namespace {

void visit(bench::crawl_work& work, const crawl::url& at) {
  for (crawl::url& u : work.visit(at, [](auto request) { return coppice::blocking(request); }))
    coppice::spawn([&work, u = std::move(u)] { visit(work, u); });
}

}  // namespace

void bench::crawl_coppice(crawl_work& work, unsigned threads) {
  coppice::scheduler scheduler({.max_spare_workers = threads});
  scheduler.run([&work] { visit(work, work.start()); });
}
