#include "support/directory.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <memory>
#include <system_error>
#include <utility>

namespace support {

descriptor& descriptor::operator=(descriptor&& other) noexcept {
  descriptor old(std::exchange(fd_, other.release()));
  return *this;
}

descriptor::~descriptor() {
  if (valid()) ::close(fd_);
}

int descriptor::release() noexcept { return std::exchange(fd_, -1); }

namespace {

// Kernels before 5.6, and some sandboxes, do not know openat2.
std::atomic<bool> has_openat2 = true;

descriptor open_without_links(int at, const std::string& path, int flags) {
  open_how how{};
  how.flags = static_cast<decltype(how.flags)>(flags | O_CLOEXEC);
  how.resolve = RESOLVE_NO_SYMLINKS;
  return descriptor(static_cast<int>(::syscall(SYS_openat2, at, path.c_str(), &how, sizeof how)));
}

// Opens a directory that may be farther away than PATH_MAX, in steps. The walk may take hours, and somebody
// may put a link where a directory was: openat2 refuses links anywhere in the path, openat only at its end,
// hence one name at a time.
descriptor open_in_steps(int at, std::string_view path, int flags) {
  descriptor reached;
  for (;;) {
    const bool whole = has_openat2.load(std::memory_order_relaxed);
    std::size_t cut = path.size();
    if (!whole)
      cut = std::min(cut, path.find('/'));
    else if (cut >= PATH_MAX)
      cut = path.rfind('/', PATH_MAX - 1);  // a name has at most 255 bytes, so there is one
    const bool last = cut == path.size();
    const int how = last ? flags : O_PATH;

    const std::string step(path.substr(0, cut));
    descriptor next =
        whole ? open_without_links(at, step, how | O_DIRECTORY)
              : descriptor(::openat(at, step.c_str(), how | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!next.valid() && whole && (errno == ENOSYS || errno == EPERM)) {
      has_openat2.store(false, std::memory_order_relaxed);
      continue;
    }
    if (last || !next.valid()) return next;
    reached = std::move(next);
    at = reached.get();
    path.remove_prefix(cut + 1);
  }
}

struct closes_stream {
  void operator()(DIR* d) const noexcept { ::closedir(d); }
};

// Counts one entry as find does: a file by its name alone, a directory only if it can be reached.
void classify(listing& here, int directory, const dirent& entry) {
  const char* const name = entry.d_name;
  unsigned char type = entry.d_type;
  // The size of a file is the one thing that does not come with the name; DT_UNKNOWN: nor does the type.
  if (type == DT_REG || type == DT_DIR || type == DT_UNKNOWN) {
    struct stat status;
    if (::fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0) {
      type = static_cast<unsigned char>(IFTODT(status.st_mode));
      if (type == DT_REG) here.found.bytes += static_cast<std::uint64_t>(status.st_size);
    } else {
      here.problems.push_back({name, errno});
      if (type != DT_REG || here.problems.back().error == ENOENT) return;
    }
  }
  switch (type) {
    case DT_REG:
      ++here.found.files;
      break;
    case DT_DIR:
      ++here.found.directories;
      here.directories.emplace_back(name);
      break;
    case DT_LNK:
      ++here.found.symlinks;
      break;
    default:
      ++here.found.other;
  }
}

bool is_self_or_parent(const char* name) {
  return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

}  // namespace

directory_reader::directory_reader(std::string top)
    : path_(std::move(top)), top_(::open(path_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {
  if (!top_.valid()) throw std::system_error(errno, std::generic_category(), path_);
}

listing directory_reader::read(std::string_view below) const {
  listing here;
  // "." is looked up in the directory, which needs more rights than reading it: the top is opened by its own
  // name.
  constexpr int to_read = O_RDONLY | O_NONBLOCK;
  descriptor fd = below.empty() ? descriptor(::open(path_.c_str(), to_read | O_DIRECTORY | O_CLOEXEC))
                                : open_in_steps(top_.get(), below, to_read);
  const std::unique_ptr<DIR, closes_stream> stream(fd.valid() ? ::fdopendir(fd.get()) : nullptr);
  if (stream == nullptr) {
    here.problems.push_back({"", errno});
    return here;
  }
  fd.release();  // the stream's now
  for (;;) {
    errno = 0;
    const dirent* const entry = ::readdir(stream.get());
    if (entry == nullptr) break;
    if (!is_self_or_parent(entry->d_name)) classify(here, ::dirfd(stream.get()), *entry);
  }
  if (errno != 0) here.problems.push_back({"", errno});
  return here;
}

}  // namespace support
