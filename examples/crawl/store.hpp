// What a crawl found, in an SQLite file that anybody can query, and from which it goes on after a stop. Pages
// are written when they are finished, with their links, in transactions of many: whatever is killed leaves
// whole pages, and the links of those say what is left to do.
//
//   pages(id, url, state, status, type, bytes, seconds, depth, title, redirect, referrer)
//   links(page, target, kind, inside)     inside: 1 if the crawl follows it; 2: no URL at all
//   errors(page, message, transient, referrers)
//   crawl(key, value)                     what it was started with
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace crawl {

struct link_row {
  enum class where { outside, inside, no_url };
  std::string target;
  std::string kind;
  where to = where::outside;
};

struct page_row {
  std::string url, state;
  long status = 0;
  std::string type;
  std::uint64_t bytes = 0;
  double seconds = 0;
  unsigned depth = 0;
  std::string title, redirect, referrer;
  std::vector<link_row> links;
  std::string error, referrers;  // if it failed: why, and the chain, a line for each
  bool transient = false;
};

class store {
 public:
  using settings_map = std::map<std::string, std::string>;

  // A new file, for a crawl with these settings. Throws std::runtime_error with SQLite's reason, as do all
  // members, and if the file is there.
  store(const std::string& path, const settings_map& settings);
  // To go on with the crawl in this file. Throws also if there is none, or another program is writing it;
  // such a file is left as it is.
  explicit store(const std::string& path);
  store(const store&) = delete;
  store& operator=(const store&) = delete;
  ~store();

  std::optional<std::string> setting(const std::string& key);

  // Keeps the row until there is a batch. Threads: any. True: there is one, and somebody should flush().
  bool add(page_row row);
  // Writes what was kept, all of it or, if it throws, none, and keeps it. Threads: any; one at a time writes,
  // the others wait.
  void flush();

  // A shorter way there was found.
  void set_depth(const std::string& url, unsigned depth, const std::string& referrer);
  // Leaves out what is to be done again: pages that failed and may be better now.
  void load(const std::function<void(page_row&&)>& each);

 private:
  class statement;
  // The file itself, for as long as a crawl writes it: another one is refused.
  class claim {
   public:
    claim(const std::string& path, bool is_new);
    claim(const claim&) = delete;
    claim& operator=(const claim&) = delete;
    ~claim();

   private:
    int file_;
  };

  store(const std::string& path, const settings_map* settings);
  bool is_crawl();
  void make_tables(const settings_map& settings);
  void close();
  void run(const char* sql);
  void check(int status, const char* doing) const;
  void write(const page_row& row);

  const std::string path_;
  const claim
      claim_;  // outlives what SQLite has opened: to close a file ends all locks that SQLite has on it
  sqlite3* db_ = nullptr;
  std::mutex kept_mutex_;
  std::vector<page_row> kept_;
  std::mutex mutex_;  // of the database
  std::vector<sqlite3_stmt*> statements_;
};

}  // namespace crawl
