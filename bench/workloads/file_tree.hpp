// One directory of a file tree: what stands in it, and where the walk goes on. How the subdirectories are
// visited is each runtime's own affair.
//
// Threads: any; totals are the caller's.
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

namespace bench {

struct tree_totals {
  std::uint64_t directories = 0;
  std::uint64_t files = 0;  ///< whatever is no directory
  std::uint64_t bytes = 0;

  friend bool operator==(const tree_totals&, const tree_totals&) = default;
};

/// Totals that several tasks add to, each once per directory.
struct shared_totals {
  std::atomic<std::uint64_t> directories = 0;
  std::atomic<std::uint64_t> files = 0;
  std::atomic<std::uint64_t> bytes = 0;

  void add(const tree_totals& t) noexcept {
    directories.fetch_add(t.directories, std::memory_order_relaxed);
    files.fetch_add(t.files, std::memory_order_relaxed);
    bytes.fetch_add(t.bytes, std::memory_order_relaxed);
  }
  tree_totals value() const noexcept { return {directories, files, bytes}; }
};

/// Adds up the entries of a directory and hands the path of each subdirectory to `enter`. Symbolic links are
/// entries, not ways; a directory that cannot be read counts as an empty one.
template <class Enter>
tree_totals read_directory(const std::string& path, Enter enter) {
  tree_totals here{.directories = 1};
  DIR* const directory = opendir(path.c_str());
  if (directory == nullptr) return here;
  const int fd = dirfd(directory);
  while (const dirent* entry = readdir(directory)) {  // a stream of its own, which no other thread reads
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    struct stat info {};
    if (fstatat(fd, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (S_ISDIR(info.st_mode)) {
      std::string below;
      below.reserve(path.size() + 1 + name.size());
      enter(std::move(below.append(path).append(1, '/').append(name)));
    } else {
      ++here.files;
      here.bytes += static_cast<std::uint64_t>(info.st_size);
    }
  }
  closedir(directory);
  return here;
}

}  // namespace bench
