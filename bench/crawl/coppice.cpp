// One worker for each core; what stands still lends its core to a spare. At the bound of the spares the
// workers stand still too: so many threads in all.
#include <algorithm>
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
  const unsigned workers = std::min(threads, work.cores());
  coppice::scheduler scheduler({.workers = workers, .max_spare_workers = threads - workers});
  scheduler.run([&work] { visit(work, work.start()); });
}
