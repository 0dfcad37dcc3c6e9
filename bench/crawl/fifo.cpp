// A pool of so many threads. Its queue has room for the whole site, so that no task waits for room in it; the
// last one to end tells.
#include <atomic>
#include <coppice/fifo_pool.hpp>
#include <future>

#include "work.hpp"

namespace {

struct pool_crawl {
  bench::crawl_work& work;
  coppice::fifo_pool pool;
  std::atomic<std::uint64_t> open = 1;
  std::promise<void> end;

  void visit(const crawl::url& at) {
    try {
      for (crawl::url& u : work.visit(at, [](auto request) { return request(); })) {
        open.fetch_add(1, std::memory_order_relaxed);
        pool.submit([this, u = std::move(u)] { visit(u); });
      }
    } catch (...) {
      std::terminate();  // the benchmark's site has no bad page
    }
    if (open.fetch_sub(1, std::memory_order_acq_rel) == 1) end.set_value();
  }
};

}  // namespace

void bench::crawl_fifo(crawl_work& work, unsigned threads) {
  pool_crawl crawl{work, coppice::fifo_pool({.workers = threads, .queue_capacity = 1'000'000}), 1, {}};
  crawl.pool.submit([&crawl] { crawl.visit(crawl.work.start()); });
  crawl.end.get_future().wait();
  crawl.pool.stop();
}
