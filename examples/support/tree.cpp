#include "support/tree.hpp"

#include <algorithm>
#include <tuple>

namespace support {

namespace {

// A number for this thread, for spreading threads over slots.
std::size_t thread_number() noexcept {
  static std::atomic<std::size_t> next = 0;
  thread_local const std::size_t mine = next.fetch_add(1, std::memory_order_relaxed);
  return mine;
}

// Orders a heap so that the one to be dropped first is on top.
bool is_larger(const sized_directory& a, const sized_directory& b) {
  return std::tie(b.bytes, a.path) < std::tie(a.bytes, b.path);
}

}  // namespace

void shared_totals::add(const totals& t) noexcept {
  slot& s = slots_[thread_number() % slots_.size()];
  constexpr auto relaxed = std::memory_order_relaxed;
  s.files.fetch_add(t.files, relaxed);
  s.directories.fetch_add(t.directories, relaxed);
  s.symlinks.fetch_add(t.symlinks, relaxed);
  s.other.fetch_add(t.other, relaxed);
  s.bytes.fetch_add(t.bytes, relaxed);
}

totals shared_totals::sum() const noexcept {
  constexpr auto relaxed = std::memory_order_relaxed;
  totals t;
  for (const slot& s : slots_) {
    t.files += s.files.load(relaxed);
    t.directories += s.directories.load(relaxed);
    t.symlinks += s.symlinks.load(relaxed);
    t.other += s.other.load(relaxed);
    t.bytes += s.bytes.load(relaxed);
  }
  return t;
}

void largest_directories::offer(sized_directory d) {
  const std::lock_guard hold(mutex_);
  heap_.push_back(std::move(d));
  std::push_heap(heap_.begin(), heap_.end(), is_larger);
  if (heap_.size() > keep_) {
    std::pop_heap(heap_.begin(), heap_.end(), is_larger);
    heap_.pop_back();
  }
  if (heap_.size() == keep_) smallest_.store(heap_.front().bytes, std::memory_order_relaxed);
}

std::vector<sized_directory> largest_directories::list() const {
  const std::lock_guard hold(mutex_);
  std::vector<sized_directory> sorted = heap_;
  std::sort_heap(sorted.begin(), sorted.end(), is_larger);
  return sorted;
}

tree::tree(std::string top, std::size_t keep_largest)
    : reader_(std::move(top)), root_(nullptr, ""), largest_(keep_largest) {
  totals_.add({.directories = 1});
}

std::string tree::path_below(const directory& d) {
  std::size_t length = 0;
  for (const directory* at = &d; at->parent != nullptr; at = at->parent) length += at->name.size() + 1;
  std::string path(length == 0 ? 0 : length - 1, '/');
  std::size_t end = path.size();
  for (const directory* at = &d; at->parent != nullptr; at = at->parent) {
    path.replace(end - at->name.size(), at->name.size(), at->name);
    end -= std::min(end, at->name.size() + 1);
  }
  return path;
}

std::string tree::path_of(const directory& d, const std::string& entry) const {
  std::string path = reader_.top();
  for (const std::string& part : {path_below(d), entry}) {
    if (part.empty()) continue;
    if (!path.ends_with('/')) path += '/';
    path += part;
  }
  return path;
}

// A loop: a chain of directories completes from its end, and may be longer than any stack.
void tree::finish(directory* d) noexcept {
  // Release: what this thread has added is in when somebody else takes the last one. Acquire: and the other
  // way round.
  while (d->open.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    const std::uint64_t bytes = d->bytes.load(std::memory_order_relaxed);
    if (largest_.has_room_for(bytes)) largest_.offer({bytes, path_of(*d, "")});
    directory* const parent = d->parent;
    if (parent == nullptr) {
      complete_.store(true, std::memory_order_release);  // the tree may be gone after this
      return;
    }
    parent->bytes.fetch_add(bytes, std::memory_order_relaxed);
    delete d;
    d = parent;
  }
}

}  // namespace support
