// A walk over a directory tree, without the question of who reads which directory when.
//
// visit() reads one directory and hands the directories in it to a function: what that does with them makes
// the walk serial, parallel, depth first or breadth first. Sums need no wait: whoever completes the last
// directory in another one completes that one too.
//
//   support::tree tree("/usr", 10);
//   std::vector<support::directory*> open = {&tree.root()};
//   while (!open.empty()) {
//     support::directory& next = *open.back();
//     open.pop_back();
//     tree.visit(next, [&](support::directory& found) { open.push_back(&found); }, complain);
//   }
//   print(tree.so_far(), tree.largest());
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "support/directory.hpp"

namespace support {

// A directory that is being walked.
struct directory {
  directory* const parent = nullptr;  // complete only after this one, so it is there
  const std::string name;
  std::atomic<std::size_t> open = 1;     // 1 for itself until it is read, and 1 for each directory in it
  std::atomic<std::uint64_t> bytes = 0;  // in it and in what is complete below it

  directory(directory* in, std::string called) : parent(in), name(std::move(called)) {}
};

// Totals that many threads add to. Each has a cache line that it shares with few others; a sum costs a look
// at all.
class shared_totals {
 public:
  void add(const totals& t) noexcept;
  // Counts that other threads are adding may be missing.
  totals sum() const noexcept;

 private:
  struct alignas(64) slot {
    std::atomic<std::uint64_t> files = 0, directories = 0, symlinks = 0, other = 0, bytes = 0;
  };
  std::array<slot, 64> slots_;
};

struct sized_directory {
  std::uint64_t bytes;
  std::string path;
};

// The K largest of many. Offering one that is too small costs a load.
class largest_directories {
 public:
  explicit largest_directories(std::size_t keep) : keep_(keep) {}
  bool has_room_for(std::uint64_t bytes) const noexcept {
    return keep_ != 0 && bytes >= smallest_.load(std::memory_order_relaxed);
  }
  void offer(sized_directory d);
  // The largest first; equal ones by path.
  std::vector<sized_directory> list() const;

 private:
  const std::size_t keep_;
  std::atomic<std::uint64_t> smallest_ = 0;  // of those kept, once there are enough
  mutable std::mutex mutex_;
  std::vector<sized_directory> heap_;  // the smallest on top
};

class tree {
 public:
  // Throws std::system_error if `top` is no directory.
  tree(std::string top, std::size_t keep_largest);

  directory& root() noexcept { return root_; }
  // Whether everything has been visited. What the visits did happens before that.
  bool complete() const noexcept { return complete_.load(std::memory_order_acquire); }

  // Reads d, once. Calls found(directory&) for each directory in it, and failed(std::error_code, path) for
  // each thing that cannot be read. What found gets has to be visited; d may be gone as soon as this returns,
  // and d's children as soon as found has passed them on. Nothing is open while found runs.
  //
  // Throws: what found and failed throw. The directory that found threw at, and those after it, are not
  // walked. `standing` calls what it is given, which waits for the disk; found and failed are called outside
  // of it.
  template <class Found, class Failed, class Standing>
  void visit(directory& d, Found found, Failed failed, Standing standing) {
    const completion at_end{*this, d};
    listing here = standing([&] { return reader_.read(path_below(d)); });
    totals_.add(here.found);
    d.bytes.fetch_add(here.found.bytes, std::memory_order_relaxed);
    for (const listing::problem& p : here.problems)
      failed(std::error_code(p.error, std::generic_category()), path_of(d, p.entry));
    for (std::string& name : here.directories) {
      directory* const child = new directory(&d, std::move(name));
      d.open.fetch_add(1, std::memory_order_relaxed);
      try {
        found(*child);
      } catch (...) {
        finish(child);
        throw;
      }
    }
  }

  template <class Found, class Failed>
  void visit(directory& d, Found found, Failed failed) {
    visit(d, std::move(found), std::move(failed), [](auto read) { return read(); });
  }

  totals so_far() const noexcept { return totals_.sum(); }
  std::vector<sized_directory> largest() const { return largest_.list(); }

 private:
  struct completion {
    tree& walked;
    directory& d;
    ~completion() { walked.finish(&d); }
  };

  void finish(directory* d) noexcept;
  // Relative to the top, which is "".
  static std::string path_below(const directory& d);
  // With the top in front; `entry` may be empty.
  std::string path_of(const directory& d, const std::string& entry) const;

  directory_reader reader_;
  directory root_;
  std::atomic<bool> complete_ = false;
  shared_totals totals_;
  largest_directories largest_;
};

}  // namespace support
