// What is measured and where: sizes and worker counts from the environment, and the places of the threads.
//
//   COPPICE_BENCH_WORKERS=1,2,4   worker counts of the parallel rows (default: 1, and all cores)
//   COPPICE_BENCH_SIZE=full       how large the inputs are: quick (default), full or long
//   COPPICE_BENCH_FIB=37          n of fib (default 27, full: 32)
//   COPPICE_BENCH_DIR=/usr        what tree_walk walks
//   COPPICE_BENCH_COMMIT=...      what was built, for the report
//
// The places are read off the threads of a coppice scheduler, and every other runtime is put there: whatever
// coppice decides (mask, quota, hyperthreads, more workers than cores), all runtimes stand alike.
#pragma once

#include <sched.h>
#include <sys/types.h>

#include <cstddef>
#include <string>
#include <vector>

namespace bench {

/// The stack of each thread that runs tasks: what a worker of coppice has. UTS T3 takes more than the 4 MiB
/// that oneTBB gives a thread, and more than the 8 MiB that the main thread has.
inline constexpr std::size_t stack_bytes = std::size_t{64} << 20;

/// quick: most serial rows take 1 to 20 ms. full: 0.1 s. long: full, and the large trees of UTS.
enum class input_size { quick, full, huge };

struct settings {
  input_size size = input_size::quick;
  int fib = 27;
  std::string directory = "/usr";
  std::string commit = "unknown";
  unsigned cores = 1;             ///< how many workers coppice makes when nobody says
  std::vector<unsigned> workers;  ///< ascending, no number twice

  template <class T>
  T sized(T quick, T full, T huge) const {
    return size == input_size::quick ? quick : size == input_size::full ? full : huge;
  }
  template <class T>
  T sized(T quick, T full) const {
    return sized(quick, full, full);
  }
};

/// Reads the environment at the first call; ends the program on a malformed value.
const settings& the_settings();

/// For each of so many workers, the CPUs that coppice binds it to; the whole mask where it binds nothing.
const std::vector<cpu_set_t>& places_of(unsigned workers);

/// What coppice says about this machine.
const std::string& machine_in_words();

/// Binds the calling thread, until the end of the scope.
class bound_thread {
 public:
  explicit bound_thread(const cpu_set_t& place);
  ~bound_thread();
  bound_thread(const bound_thread&) = delete;
  bound_thread& operator=(const bound_thread&) = delete;

 private:
  cpu_set_t before_{};
};

void bind_this_thread(const cpu_set_t& place);

/// Binds the threads of this process that are named `<name>-<number>`, in the order of their numbers.
void bind_threads_named(const std::string& name, const std::vector<cpu_set_t>& places);

}  // namespace bench
