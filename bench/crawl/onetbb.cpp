// A task_group in an arena of so many threads; 0: as many as oneTBB has by itself.
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/info.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>

#include "work.hpp"

namespace {

void visit(tbb::task_group& group, bench::crawl_work& work, const crawl::url& at) {
  for (crawl::url& u : work.visit(at, [](auto request) { return request(); }))
    group.run([&group, &work, u = std::move(u)] { visit(group, work, u); });
}

}  // namespace

void bench::crawl_onetbb(crawl_work& work, unsigned threads) {
  const int wanted = threads == 0 ? tbb::info::default_concurrency() : static_cast<int>(threads);
  const tbb::global_control limit(tbb::global_control::max_allowed_parallelism,
                                  static_cast<std::size_t>(wanted));
  tbb::task_arena arena(wanted);
  arena.execute([&work] {
    tbb::task_group group;
    visit(group, work, work.start());
    group.wait();
  });
}
