#include "crawl/store.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace crawl {
namespace {

constexpr std::size_t batch = 200;

constexpr const char* tables =
    "CREATE TABLE crawl (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE pages (id INTEGER PRIMARY KEY, url TEXT NOT NULL UNIQUE, state TEXT NOT NULL,"
    " status INTEGER, type TEXT, bytes INTEGER, seconds REAL, depth INTEGER, title TEXT, redirect TEXT, "
    "referrer TEXT);"
    "CREATE TABLE links (page INTEGER NOT NULL REFERENCES pages(id), target TEXT NOT NULL,"
    " kind TEXT NOT NULL, inside INTEGER NOT NULL);"
    "CREATE INDEX links_of ON links (page);"
    "CREATE TABLE errors (page INTEGER PRIMARY KEY REFERENCES pages(id), message TEXT NOT NULL,"
    " transient INTEGER NOT NULL, referrers TEXT NOT NULL)";

enum : std::size_t { insert_page, insert_link, insert_error, update_depth, sql_count };
constexpr const char* sql[sql_count] = {
    "INSERT INTO pages VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    "INSERT INTO links VALUES (?, ?, ?, ?)",
    "INSERT INTO errors VALUES (?, ?, ?, ?)",
    "UPDATE pages SET depth = ?, referrer = ? WHERE url = ?",
};

std::string text_of(sqlite3_stmt* s, int column) {
  const auto* const text = sqlite3_column_text(s, column);
  if (text == nullptr) return {};
  return {reinterpret_cast<const char*>(text), static_cast<std::size_t>(sqlite3_column_bytes(s, column))};
}

}  // namespace

// A prepared statement in use: values go in one after the other, then it runs.
class store::statement {
 public:
  statement(store& s, sqlite3_stmt* prepared) : store_(s), s_(prepared) {}
  statement(const statement&) = delete;
  statement& operator=(const statement&) = delete;
  ~statement() {
    sqlite3_reset(s_);
    sqlite3_clear_bindings(s_);
  }
  statement& text(std::string_view value) {
    // Not static: values need not outlive the statement.
    store_.check(
        sqlite3_bind_text(s_, ++column_, value.data(), static_cast<int>(value.size()), SQLITE_TRANSIENT),
        "filling");
    return *this;
  }
  statement& number(std::int64_t value) {
    store_.check(sqlite3_bind_int64(s_, ++column_, value), "filling");
    return *this;
  }
  statement& real(double value) {
    store_.check(sqlite3_bind_double(s_, ++column_, value), "filling");
    return *this;
  }
  void run() { store_.check(sqlite3_step(s_), "writing to"); }
  // True: there is a row.
  bool step() {
    const int status = sqlite3_step(s_);
    store_.check(status, "reading");
    return status == SQLITE_ROW;
  }
  sqlite3_stmt* get() const { return s_; }

 private:
  store& store_;
  sqlite3_stmt* s_;
  int column_ = 0;
};

store::claim::claim(const std::string& path, bool is_new)
    : file_(::open(path.c_str(), O_RDWR | O_CLOEXEC | (is_new ? O_CREAT | O_EXCL : 0), 0644)) {
  if (file_ == -1 && errno == EEXIST)
    throw std::runtime_error(
        fmt::format("{} exists (go on with that crawl by --resume, or name another file)", path));
  if (file_ == -1 && errno == ENOENT && !is_new)
    throw std::runtime_error(fmt::format("{} does not exist, so there is nothing to resume", path));
  if (file_ == -1) throw std::runtime_error(fmt::format("opening {}: {}", path, std::strerror(errno)));
  if (flock(file_, LOCK_EX | LOCK_NB) == 0) return;
  const int error = errno;
  ::close(file_);
  throw std::runtime_error(error == EWOULDBLOCK ? fmt::format("another crawl is writing {}", path)
                                                : fmt::format("locking {}: {}", path, std::strerror(error)));
}

store::claim::~claim() { ::close(file_); }

store::store(const std::string& path, const settings_map& settings) : store(path, &settings) {}
store::store(const std::string& path) : store(path, nullptr) {}

store::store(const std::string& path, const settings_map* settings)
    : path_(path), claim_(path, settings != nullptr) {
  try {
    check(sqlite3_open_v2(path.c_str(), &db_, SQLITE_OPEN_READWRITE, nullptr), "opening");
    sqlite3_busy_timeout(db_, 5000);  // somebody may be reading it
    if (settings == nullptr && !is_crawl())
      throw std::runtime_error(fmt::format("{} is no crawl of this program", path));
    run("PRAGMA journal_mode = WAL");
    run("PRAGMA synchronous = NORMAL");
    if (settings != nullptr) make_tables(*settings);
    for (const char* const text : sql) {
      sqlite3_stmt* s = nullptr;
      check(sqlite3_prepare_v2(db_, text, -1, &s, nullptr), "preparing");
      statements_.push_back(s);
    }
  } catch (...) {
    close();
    throw;
  }
}

store::~store() { close(); }

void store::close() {
  for (sqlite3_stmt* const s : statements_) sqlite3_finalize(s);
  sqlite3_close(db_);
}

// Any other file, also one that is no database, has nothing to read there.
bool store::is_crawl() {
  sqlite3_stmt* s = nullptr;
  const int status = sqlite3_prepare_v2(db_, "SELECT 1 FROM crawl WHERE key = 'start'", -1, &s, nullptr);
  const std::unique_ptr<sqlite3_stmt, decltype(&sqlite3_finalize)> owner(s, &sqlite3_finalize);
  if (status == SQLITE_ERROR || status == SQLITE_NOTADB) return false;
  check(status, "reading");
  return statement(*this, s).step();
}

// All or nothing: what is killed meanwhile leaves no crawl.
void store::make_tables(const settings_map& settings) {
  run("BEGIN IMMEDIATE");
  run(tables);
  sqlite3_stmt* s = nullptr;
  check(sqlite3_prepare_v2(db_, "INSERT INTO crawl VALUES (?, ?)", -1, &s, nullptr), "writing to");
  const std::unique_ptr<sqlite3_stmt, decltype(&sqlite3_finalize)> owner(s, &sqlite3_finalize);
  for (const auto& [key, value] : settings) statement(*this, s).text(key).text(value).run();
  run("COMMIT");
}

void store::check(int status, const char* doing) const {
  if (status == SQLITE_OK || status == SQLITE_ROW || status == SQLITE_DONE) return;
  throw std::runtime_error(fmt::format("{} {}: {}", doing, path_, sqlite3_errmsg(db_)));
}

void store::run(const char* text) { check(sqlite3_exec(db_, text, nullptr, nullptr, nullptr), "changing"); }

std::optional<std::string> store::setting(const std::string& key) {
  const std::lock_guard hold(mutex_);
  sqlite3_stmt* s = nullptr;
  check(sqlite3_prepare_v2(db_, "SELECT value FROM crawl WHERE key = ?", -1, &s, nullptr), "reading");
  const std::unique_ptr<sqlite3_stmt, decltype(&sqlite3_finalize)> owner(s, &sqlite3_finalize);
  statement select(*this, s);
  if (!select.text(key).step()) return std::nullopt;
  return text_of(s, 0);
}

bool store::add(page_row row) {
  const std::lock_guard hold(kept_mutex_);
  kept_.push_back(std::move(row));
  return kept_.size() >= batch;
}

void store::write(const page_row& row) {
  statement(*this, statements_[insert_page])
      .text(row.url)
      .text(row.state)
      .number(row.status)
      .text(row.type)
      .number(static_cast<std::int64_t>(row.bytes))
      .real(row.seconds)
      .number(row.depth)
      .text(row.title)
      .text(row.redirect)
      .text(row.referrer)
      .run();
  const std::int64_t id = sqlite3_last_insert_rowid(db_);
  for (const link_row& l : row.links)
    statement(*this, statements_[insert_link])
        .number(id)
        .text(l.target)
        .text(l.kind)
        .number(static_cast<int>(l.to))
        .run();
  if (row.error.empty()) return;
  statement(*this, statements_[insert_error])
      .number(id)
      .text(row.error)
      .number(row.transient)
      .text(row.referrers)
      .run();
}

void store::flush() {
  const std::lock_guard hold(mutex_);
  std::vector<page_row> rows;
  {
    const std::lock_guard hold_kept(kept_mutex_);
    rows.swap(kept_);
  }
  if (rows.empty()) return;
  try {
    run("BEGIN IMMEDIATE");
    for (const page_row& row : rows) write(row);
    run("COMMIT");
  } catch (...) {
    sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
    // Kept for the next time, in their order.
    const std::lock_guard hold_kept(kept_mutex_);
    std::ranges::move(kept_, std::back_inserter(rows));
    kept_.swap(rows);
    throw;
  }
}

void store::set_depth(const std::string& url, unsigned depth, const std::string& referrer) {
  const std::lock_guard hold(mutex_);
  statement(*this, statements_[update_depth]).number(depth).text(referrer).text(url).run();
}

void store::load(const std::function<void(page_row&&)>& each) {
  const std::lock_guard hold(mutex_);
  run("BEGIN IMMEDIATE");
  // They have no links: a failed page was not read.
  run("DELETE FROM pages WHERE id IN (SELECT page FROM errors WHERE transient = 1);"
      "DELETE FROM errors WHERE transient = 1");
  run("COMMIT");
  const auto prepared = [this](const char* text) {
    sqlite3_stmt* s = nullptr;
    check(sqlite3_prepare_v2(db_, text, -1, &s, nullptr), "reading");
    return std::unique_ptr<sqlite3_stmt, decltype(&sqlite3_finalize)>(s, &sqlite3_finalize);
  };
  const auto pages = prepared(
      "SELECT id, url, state, status, type, bytes, seconds, depth, title, redirect, referrer, message FROM "
      "pages"
      " LEFT JOIN errors ON page = id ORDER BY id");
  const auto links = prepared("SELECT target, kind, inside FROM links WHERE page = ? ORDER BY rowid");
  statement all(*this, pages.get());
  while (all.step()) {
    sqlite3_stmt* const p = pages.get();
    page_row row;
    row.url = text_of(p, 1);
    row.state = text_of(p, 2);
    row.status = static_cast<long>(sqlite3_column_int64(p, 3));
    row.type = text_of(p, 4);
    row.bytes = static_cast<std::uint64_t>(sqlite3_column_int64(p, 5));
    row.seconds = sqlite3_column_double(p, 6);
    row.depth = static_cast<unsigned>(sqlite3_column_int64(p, 7));
    row.title = text_of(p, 8);
    row.redirect = text_of(p, 9);
    row.referrer = text_of(p, 10);
    row.error = text_of(p, 11);
    statement of_page(*this, links.get());
    of_page.number(sqlite3_column_int64(p, 0));
    while (of_page.step())
      row.links.push_back({text_of(links.get(), 0), text_of(links.get(), 1),
                           static_cast<link_row::where>(sqlite3_column_int(links.get(), 2))});
    each(std::move(row));
  }
}

}  // namespace crawl
