#include "streams/work.hpp"

#include <atomic>
#include <mutex>
#include <system_error>
#include <thread>

#include "observation.hpp"
#include "streams/item.hpp"
#include "streams/options.hpp"

namespace fuzz::streams {

namespace this_task = coppice::this_task;

namespace {

std::uint64_t leaves(std::uint32_t depth) {
  if (depth == 0) return 1;
  const auto [left, right] =
      coppice::join([=] { return leaves(depth - 1); }, [=] { return leaves(depth - 1); });
  return left + right;
}

}  // namespace

void work::join(std::uint32_t depth) {
  wrong_.expect(leaves(depth) == std::uint64_t{1} << depth, "a join lost a leaf");
}

void work::fork_a_little() { join(2); }

void work::stand(std::uint32_t yields) {
  coppice::blocking([&] {
    for (std::uint32_t i = 0; i < yields; ++i) std::this_thread::yield();
    join(1);
  });
}

void work::caught_join(std::uint32_t number) {
  try {
    coppice::join([] {}, [=] { throw node_error(number); }, [=] { throw node_error(number + 1); });
    wrong_.tell("a join of which two branches throw did not");
  } catch (const node_error& e) {
    wrong_.expect(e.id == number, "a join threw the error ", e.id, ", and the leftmost is ", number);
  }
}

// Children of the second group want what is held over the wait for the first one: they must not run in it.
void work::groups(const action& a) {
  const std::uint32_t throwing = a.amount % 2 == 1 ? a.amount / 2 : nothing;
  std::mutex held;
  std::vector<std::atomic<unsigned>> ran(a.amount);
  std::vector<unsigned> taken(a.amount);
  coppice::task_group one, two;
  for (std::uint32_t i = 0; i < a.amount; ++i)
    taken[i] = (i % 2 == 0 ? one : two).spawn([&, i] {
      ran[i].fetch_add(1, std::memory_order_relaxed);
      std::unique_lock<std::mutex> hold(held, std::defer_lock);
      if (i % 2 == 1 && this_task::worker() >= 0) hold.lock();
      if (i == throwing) throw node_error(i);
    });
  std::uint32_t met = nothing;
  const auto wait = [&](coppice::task_group& g) {
    try {
      g.wait();
    } catch (const node_error& e) {
      met = e.id;
    }
  };
  {
    const std::lock_guard hold(held);
    wait(one);
  }
  wait(two);
  for (std::uint32_t i = 0; i < a.amount; ++i) {
    if (ran[i] != taken[i]) this_task::throw_if_stopped();  // the error of another child has passed the stop
    wrong_.expect(ran[i] == taken[i], "child ", i, " of two groups ran ", ran[i], " times");
  }
  wrong_.expect(met == throwing, "two groups threw the error ", met, " instead of ", throwing);
}

void work::job(const action& a) {
  std::vector<unsigned> ran(a.amount);  // plain: what the wait orders
  auto job = on_.scheduler(a.where).submit(
      [&] {
        for (std::uint32_t i = 0; i < a.amount; ++i)
          coppice::spawn([&, i] {
            ++ran[i];
            if (child_throws(i)) throw node_error(i);
          });
      },
      {.name = "inner", .errors = policy_of(a.errors), .deadline = deadline_of(a.deadline)});
  const coppice::job_report& r = job.wait();
  judge_job(a, r, ran, this_task::stop_requested(), wrong_);
}

void work::tasks(const action& a) {
  std::vector<coppice::fifo_task<std::uint32_t>> all;
  for (std::uint32_t i = 0; i < 1 + a.amount % 6; ++i)
    all.push_back(on_.pool(a.where).submit([i] {
      if (child_throws(i)) throw node_error(i);
      return i;
    }));
  for (std::uint32_t n = 0; n < all.size(); ++n) {
    const std::uint32_t i = a.amount % 2 == 0 ? n : static_cast<std::uint32_t>(all.size()) - 1 - n;
    std::uint32_t got = nothing;
    bool threw = false;
    try {
      got = all[i].get();
    } catch (const node_error& e) {
      got = e.id;
      threw = true;
    }
    wrong_.expect(got == i && threw == child_throws(i), "FIFO task ", i, " gave ", got,
                  threw ? ", thrown" : "");
  }
}

void work::perform(const action& a, place here, std::uint32_t number) {
  switch (a.what) {
    case act::raise:
      throw counted_error(number);
    case act::cancelled:
      throw coppice::cancelled();
    case act::fail:
      return this_task::fail(std::make_error_code(std::errc::io_error), label(number));
    case act::join:
      return join(a.amount % 7);
    case act::caught_join:
      return caught_join(number);
    case act::groups:
      return groups(a);
    case act::job:
      return job(a);
    case act::task:
      return tasks(a);
    case act::stream:
      return stream(a);
    case act::own_pool:
      return own_pool(a);
    case act::blocking:
      return stand(a.amount);
    case act::cancel_own:
      if (is_scheduler(here)) this_task::cancel_job(label(number));
      return;
  }
}

}  // namespace fuzz::streams
