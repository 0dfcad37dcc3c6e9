#include "support/busy.hpp"

#include <utility>

#include "support/process.hpp"
#include "support/tracked.hpp"

namespace support {

busy_workers::busy_workers(coppice::scheduler& s) {
  for (unsigned i = 0; i < s.workers(); ++i)
    jobs_.push_back(s.submit([this] {
      ++standing_;
      release_.wait();
      return 1;
    }));
  while (standing_ != s.workers()) std::this_thread::yield();
}

submitters::submitters(coppice::scheduler& s, std::size_t threads, const std::function<void()>& body)
    : all_(threads) {
  for (one& me : all_)
    threads_.emplace_back([&s, &me, body] {
      me.number = this_thread_number();
      try {
        s.submit([body, t = tracked()] { body(); }).get();
      } catch (const coppice::scheduler_stopped&) {
        me.refused = true;
      } catch (const coppice::job_exception&) {
        me.unfinished = true;
      }
      me.over = true;
    });
  for (one& me : all_) {
    while (me.number == 0) std::this_thread::yield();
    wait_until_asleep(me.number, [&] { return me.over.load(); });
  }
}

bool submitters::all_blocked() const {
  for (const one& me : all_)
    if (me.over) return false;
  return true;
}

submitters::ends submitters::join() {
  for (auto& t : threads_) t.join();
  ends e;
  for (const one& me : all_) {
    e.refused += me.refused ? 1 : 0;
    e.unfinished += me.unfinished ? 1 : 0;
  }
  return e;
}

void wait_until_closed(coppice::scheduler& s) {
  for (;;) {
    auto answer = s.try_submit([] {});
    if (answer.status == coppice::admission::stopped) return;
    // Workers may be busy: destroying the handle would wait for them.
    if (answer.status == coppice::admission::accepted) answer.job.detach();
    std::this_thread::yield();
  }
}

}  // namespace support
