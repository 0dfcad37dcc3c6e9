// Reading one directory of a tree: counts what is in it, names the directories, follows no link.
//
// All members may be called from any thread.
//
//   support::directory_reader reader("/usr");
//   support::listing here = reader.read("share/doc");   // a path below /usr; "" is /usr itself
//   for (const std::string& name : here.directories) later("share/doc/" + name);
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace support {

struct totals {
  std::uint64_t files = 0;  // regular ones
  std::uint64_t directories = 0;
  std::uint64_t symlinks = 0;
  std::uint64_t other = 0;
  std::uint64_t bytes = 0;  // of regular files; one with two links counts twice

  friend bool operator==(const totals&, const totals&) = default;
};

struct listing {
  struct problem {
    std::string entry;  // empty: the directory itself
    int error;          // errno
  };

  totals found;  // without the directory itself
  std::vector<std::string> directories;
  std::vector<problem> problems;
};

// An open file descriptor, or none.
class descriptor {
 public:
  explicit descriptor(int fd = -1) noexcept : fd_(fd) {}
  descriptor(descriptor&& other) noexcept : fd_(other.release()) {}
  descriptor& operator=(descriptor&& other) noexcept;
  ~descriptor();

  int get() const noexcept { return fd_; }
  int release() noexcept;
  bool valid() const noexcept { return fd_ >= 0; }

 private:
  int fd_;
};

class directory_reader {
 public:
  // `top` may be a link to a directory. Throws std::system_error if it is no directory or cannot be found.
  explicit directory_reader(std::string top);

  // What cannot be read is a problem in the listing, with as much of the rest as there is.
  //
  // `below` may be longer than PATH_MAX. Two descriptors are open meanwhile, none afterwards: how many
  // directories wait to be read, and how deep they lie, is no concern of RLIMIT_NOFILE.
  listing read(std::string_view below) const;

  const std::string& top() const noexcept { return path_; }

 private:
  std::string path_;
  descriptor top_;
};

}  // namespace support
