// What stands on the worker floor in its models: frames with a function each, a crew without jobs.
#pragma once

#include <coppice/detail/frame.hpp>

#include "explorer/program.hpp"
#include "worker/crew.hpp"
#include "worker/worker_thread.hpp"

namespace floor_model {

using coppice::detail::frame;
using coppice::detail::worker;
using coppice::detail::worker_thread;

// A frame that runs a closure of the program; also what the injection queue holds.
struct work : coppice::detail::injected {
  struct its_frame : frame {
    work* whole;
  };
  template <class F>
  explicit work(const F& body) : f{{&run_body, frame::fresh}, this}, call(&call_as<F>), closure(&body) {
    bounded = false;
  }
  its_frame f;
  void (*call)(const void*, worker&);
  const void* closure;
  bool is_submitted = false;

  static void run_body(frame* raw, worker& w) noexcept;

 private:
  template <class F>
  static void call_as(const void* closure, worker& w) {
    (*static_cast<const F*>(closure))(w);
  }
};

// Sleeps until somebody has passed.
class gate {
 public:
  void open();
  void wait();

 private:
  coppice::platform::futex_word open_{0};
};

// A crew whose workers run; the destructor lets them leave.
class running_crew {
 public:
  // The first `idle_owners` workers are not started: the program acts for them. At most `spares` are made for
  // the cores of those that stand still.
  explicit running_crew(unsigned workers, unsigned idle_owners = 0, unsigned spares = 0);
  ~running_crew();
  void submit(work& w);
  coppice::detail::crew all;
};

// What a fork does: pushes, then answers whoever asked.
void push(worker& w, work& child);

}  // namespace floor_model
