// Finds files with the same contents below a directory. Three stages: names are listed while files are read,
// files are read while others are hashed, and the hashes are put together as they come. Each stage has its
// own bound, so a large tree needs little memory; a file or directory that cannot be read is an error that
// arrives at the end, with the name of its stage, and stops nothing else.
//
//   $ pipeline /usr/share/doc
//   9127 files, 41203817 bytes; 1204 of them are copies, 3104822 bytes
//     212 x 1834 bytes: /usr/share/doc/libc6/copyright, ...
#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <coppice/coppice.hpp>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <ranges>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "support/command_line.hpp"
#include "support/program.hpp"
#include "support/text.hpp"

namespace {

namespace fs = std::filesystem;

// A file that is to be read, or an entry or a directory that cannot be, and why.
struct found {
  fs::path path;
  std::error_code problem;
};

// What is found below a directory, one after the other; links are followed only at the top. An input range.
// One directory is open at a time, however deep the tree is.
class tree {
 public:
  explicit tree(fs::path top) : open_{std::move(top)} {}

  class iterator {
   public:
    using value_type = found;
    using difference_type = std::ptrdiff_t;
    explicit iterator(tree& from) : from_(&from) {}
    found& operator*() const { return from_->found_; }
    iterator& operator++() {
      from_->advance();
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const { return from_->over_; }

   private:
    tree* from_;
  };
  iterator begin() {
    advance();
    return iterator(*this);
  }
  static std::default_sentinel_t end() { return {}; }

 private:
  void advance() {
    std::error_code problem;
    if (entries_ != fs::directory_iterator()) entries_.increment(problem);
    for (;;) {
      if (problem) return give(listed_, problem);
      if (entries_ == fs::directory_iterator()) {
        over_ = open_.empty();
        if (over_) return;
        listed_ = std::move(open_.back());
        open_.pop_back();
        entries_ = fs::directory_iterator(listed_, problem);
        continue;
      }
      const fs::file_type type = entries_->symlink_status(problem).type();
      if (problem || type == fs::file_type::regular) return give(entries_->path(), problem);
      if (type == fs::file_type::directory) open_.push_back(entries_->path());
      entries_.increment(problem);
    }
  }
  void give(const fs::path& path, std::error_code problem) { found_ = {path, problem}; }

  std::vector<fs::path> open_;  // directories that are to be listed
  fs::path listed_;             // the one that is being listed
  fs::directory_iterator entries_;
  found found_;
  bool over_ = false;
};

struct contents {
  fs::path path;
  std::string bytes;
};

struct hashed {
  fs::path path;
  std::array<unsigned char, 32> digest{};
  std::uintmax_t size = 0;
};

contents read(const found& f) {
  const fs::path& path = f.path;
  if (f.problem) throw std::system_error(f.problem, support::one_line(path.string()));
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::system_error(errno, std::generic_category(), support::one_line(path.string()));
  try {
    return {path, {std::istreambuf_iterator<char>(in), {}}};
  } catch (const std::system_error& error) {  // of a file that opens and is not read; it names none
    throw std::system_error(error.code(), support::one_line(path.string()));
  }
}

hashed hash(const contents& c) {
  hashed h{c.path, {}, c.bytes.size()};
  unsigned size = 0;
  if (EVP_Digest(c.bytes.data(), c.bytes.size(), h.digest.data(), &size, EVP_sha256(), nullptr) != 1)
    throw std::runtime_error("SHA-256 is not available");
  return h;
}

struct group {
  std::uintmax_t size = 0;
  std::vector<std::string> paths;
  std::uintmax_t copied() const { return size * (paths.size() - 1); }
};

struct findings {
  std::uint64_t files = 0;
  std::uintmax_t bytes = 0;
  std::map<std::array<unsigned char, 32>, group> by_digest;
  std::vector<std::string> problems;
};

findings find_copies(const fs::path& top, unsigned workers) {
  tree files(top);
  coppice::scheduler scheduler({.workers = workers});
  // Files that wait to be hashed are in memory: few of them.
  auto loaded = scheduler.map(files, read, {.capacity = 16, .name = "read"});
  auto digests = scheduler.map(std::move(loaded), hash, {.capacity = 64, .name = "hash"});

  findings f;
  for (auto& digest : digests) {
    if (!digest.ok()) {
      f.problems.push_back(fmt::format("{}: {}", digest.error().name, digest.error().message));
      continue;
    }
    const hashed& h = digest.value();
    ++f.files;
    f.bytes += h.size;
    group& same = f.by_digest[h.digest];
    same.size = h.size;
    same.paths.push_back(support::one_line(h.path.string()));
  }
  return f;
}

void print(findings& f, std::size_t top) {
  std::vector<group> groups;
  for (auto& [digest, same] : f.by_digest) {
    if (same.paths.size() < 2 || same.size == 0) continue;
    std::ranges::sort(same.paths);
    groups.push_back(std::move(same));
  }
  std::ranges::sort(groups, [](const group& a, const group& b) {
    return a.copied() != b.copied() ? a.copied() > b.copied() : a.paths < b.paths;
  });
  std::uint64_t copies = 0;
  std::uintmax_t bytes = 0;
  for (const group& g : groups) {
    copies += g.paths.size() - 1;
    bytes += g.copied();
  }
  fmt::print("{} files, {} bytes; {} of them are copies, {} bytes\n", f.files, f.bytes, copies, bytes);
  for (const group& g : groups | std::views::take(top))
    fmt::print("  {} x {} bytes: {}\n", g.paths.size(), g.size, fmt::join(g.paths, ", "));
  std::ranges::sort(f.problems);
  for (const std::string& problem : f.problems) fmt::print("  {}\n", problem);
}

}  // namespace

int main(int argc, char** argv) {
  support::command_line line("Finds files with the same contents below a directory.", "pipeline");
  fs::path top;
  unsigned workers = 0;
  std::size_t shown = 10;
  support::add_workers_option(line, workers);
  line.add_option("directory", top, "Where to look").required().existing_directory();
  line.add_option("--top", shown, "How many groups of copies to show").shows_default();
  return support::run_program(line, argc, argv, [&] {
    findings f = find_copies(top, workers);
    print(f, shown);
    return f.problems.empty() ? 0 : 1;
  });
}
