// Finds files with the same contents below a directory. Three stages: names are listed while files are read,
// files are read while others are hashed, and the hashes are put together as they come. Each stage has its
// own bound, so a large tree needs little memory; what cannot be read is an error that arrives at the end,
// with the name of its stage.
//
//   $ pipeline /usr/share/doc
//   9127 files, 41.2 MB; 1204 of them are copies, 3.1 MB
//     212 x 1834 bytes: /usr/share/doc/libc6/copyright ...
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

struct contents {
  fs::path path;
  std::string bytes;
};

struct hashed {
  fs::path path;
  std::array<unsigned char, 32> digest{};
  std::uintmax_t size = 0;
};

contents read(const fs::path& path) {
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
  coppice::scheduler scheduler({.workers = workers});
  auto files = std::ranges::subrange(
                   fs::recursive_directory_iterator(top, fs::directory_options::skip_permission_denied),
                   fs::recursive_directory_iterator()) |
               std::views::filter([](const fs::directory_entry& e) {
                 return e.symlink_status().type() == fs::file_type::regular;
               }) |
               std::views::transform([](const fs::directory_entry& e) { return e.path(); });
  // Files that wait to be hashed are in memory: few of them.
  auto loaded = scheduler.map(std::move(files), read, {.capacity = 16, .name = "read"});
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
  line.add_option("directory", top, "Where to look").required();
  line.add_option("--top", shown, "How many groups of copies to show").shows_default();
  return support::run_program(line, argc, argv, [&] {
    findings f = find_copies(top, workers);
    print(f, shown);
    return f.problems.empty() ? 0 : 1;
  });
}
