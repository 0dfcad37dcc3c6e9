// Imports a CSV file into an SQLite database: records are validated and transformed at the same time, one
// stage writes them in transactions. A bad record is an error with its line in the report, and stops nothing.
// What was killed in the middle is completed by running it again, with the same file: another one is refused.
//
//   $ csv_import people.csv --generate 100000
//   people.csv: 100000 records written
//   $ csv_import people.csv --db people.sqlite
//   99900 rows inserted, 0 were there, 100 bad records (0.412 s, scheduler, 2 workers)
//     line 1198: "nobody" is no e-mail address
//     ...
//   $ csv_import people.csv --generate 1000 --db people.sqlite --mode all --latency 5 --workers 20
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <coppice/coppice.hpp>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <map>
#include <ranges>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <unordered_set>
#include <utility>
#include <vector>

#include "support/command_line.hpp"
#include "support/csv.hpp"
#include "support/people.hpp"
#include "support/program.hpp"
#include "support/text.hpp"

namespace {

struct settings {
  std::string file, db, mode = "scheduler";
  unsigned workers = 0;
  std::uint64_t generate = 0;
  std::chrono::milliseconds latency{0};
  bool fresh = false;
};

struct totals {
  std::uint64_t inserted = 0, present = 0;
  std::map<std::uint64_t, std::string> bad;  // by the record's number
  double seconds = 0;
  unsigned workers = 1;
};

std::ifstream open_file(const std::string& path) {
  std::ifstream in(path);
  if (!in) throw std::system_error(errno, std::generic_category(), "cannot read " + path);
  return in;
}

// What a record goes through before it is written; the latency stands for a remote service that is asked
// about it.
support::person checked(const support::csv_record& record, std::chrono::milliseconds latency) {
  support::person p = support::to_person(record);
  if (latency.count() != 0) std::this_thread::sleep_for(latency);
  return p;
}

totals import_serially(const settings& s, support::people_table& table, std::istream& in) {
  totals t;
  const auto known = table.lines();
  std::uint64_t number = 0;
  for (support::csv_record& record : support::csv_records(in)) {
    ++number;
    if (known.contains(record.line)) {
      ++t.present;
      continue;
    }
    support::person p;
    try {
      p = checked(record, s.latency);
    } catch (const std::runtime_error& error) {
      t.bad[number] = error.what();
      continue;
    }
    table.insert(p);
    ++t.inserted;
  }
  table.commit();
  return t;
}

// The same on either pool.
template <class Pool>
totals import_with(Pool& pool, const settings& s, support::people_table& table, std::istream& in) {
  totals t;
  const auto known = table.lines();
  support::csv_records all(in);
  auto missing = std::views::filter(all, [&](const support::csv_record& record) {
    const bool there = known.contains(record.line);
    if (there) ++t.present;
    return !there;
  });
  // [readme: pipeline]
  auto people =
      pool.map(missing, [&s](const support::csv_record& record) { return checked(record, s.latency); },
               {.name = "check"});
  auto rows = pool.map(std::move(people), [&table](const support::person& p) { table.insert(p); },
                       {.concurrency = 1, .name = "insert"});
  for (auto& row : rows) {
    if (row.ok())
      ++t.inserted;
    else if (row.error().name == "check")
      t.bad[row.index] = row.error().message;
    else
      row.value();  // the database is gone: that is no record's error
  }
  // [readme]
  table.commit();
  return t;
}

bool is_same(const support::csv_record& record, const support::person& row) {
  try {
    return support::to_person(record) == row;
  } catch (const std::runtime_error&) {
    return false;  // it is no person
  }
}

// A row is known by its line, so those of another file would pass for rows that are there. The file may have
// grown since, and what was bad in it may be good now.
void check_rows(const settings& s, support::people_table& table, std::istream& in) {
  if (table.lines().empty()) return;
  if (in.tellg() == -1)  // a pipe
    throw std::runtime_error(fmt::format("{} cannot be read twice, so it cannot complete {}", s.file, s.db));
  support::csv_records all(in);
  auto record = all.begin();
  table.each([&](const support::person& row) {
    while (record != all.end() && (*record).line < row.line) ++record;
    if (record == all.end() || !is_same(*record, row))
      throw std::runtime_error(fmt::format(
          "{} has another row of line {} than {}: that is another file, or has changed (use another --db)",
          s.db, row.line, s.file));
  });
  in.clear();
  in.seekg(0);
}

totals import_once(const settings& s) {
  std::ifstream in = open_file(s.file);
  if (s.fresh)
    for (const char* const suffix : {"", "-wal", "-shm"}) std::remove((s.db + suffix).c_str());
  support::people_table table(s.db);
  check_rows(s, table, in);
  totals t;
  if (s.mode == "serial") {
    const support::stopwatch watch;
    t = import_serially(s, table, in);
    t.seconds = watch.seconds();
  } else if (s.mode == "fifo") {
    coppice::fifo_pool pool({.workers = s.workers});
    const support::stopwatch watch;
    t = import_with(pool, s, table, in);
    t.seconds = watch.seconds();
    t.workers = pool.stats().workers;
  } else {
    coppice::scheduler scheduler({.workers = s.workers});
    const support::stopwatch watch;
    t = import_with(scheduler, s, table, in);
    t.seconds = watch.seconds();
    t.workers = scheduler.workers();
  }
  return t;
}

void print(const settings& s, const totals& t) {
  fmt::print("{} rows inserted, {} were there, {} bad records ({:.3f} s, {}, {} worker{})\n", t.inserted,
             t.present, t.bad.size(), t.seconds, s.mode, t.workers, t.workers == 1 ? "" : "s");
  constexpr std::size_t shown = 10;
  for (const auto& [number, message] : t.bad | std::views::take(shown))
    fmt::print("  {}\n", support::one_line(message));
  if (t.bad.size() > shown) fmt::print("  and {} more\n", t.bad.size() - shown);
}

// Each mode into a database of its own, in one table.
int compare(settings s) {
  fmt::print("{:<10} {:>8} {:>8} {:>6} {:>10} {:>9} {:>9}\n", "mode", "workers", "rows", "bad", "seconds",
             "speed-up", "of ideal");
  const std::string db = s.db;
  s.fresh = true;
  double serial = 0;
  for (const char* const mode : {"serial", "fifo", "scheduler"}) {
    s.mode = mode;
    s.db = db + "." + mode;
    const totals t = import_once(s);
    if (serial == 0) serial = t.seconds;
    const double speed_up = serial / t.seconds;
    fmt::print("{:<10} {:>8} {:>8} {:>6} {:>10.3f} {:>8.2f}x {:>8.0f}%\n", mode, t.workers, t.inserted,
               t.bad.size(), t.seconds, speed_up, 100 * speed_up / t.workers);
  }
  return 0;
}

void generate(const settings& s) {
  std::ofstream out(s.file);
  support::generate_people(out, s.generate);
  out.flush();
  if (!out) throw std::system_error(errno, std::generic_category(), "cannot write " + s.file);
  fmt::print("{}: {} records written\n", s.file, s.generate);
}

}  // namespace

int main(int argc, char** argv) {
  support::command_line line(
      "Imports a CSV file of people into an SQLite database; running it again completes it.", "csv_import");
  settings s;
  unsigned latency = 0;
  support::add_workers_option(line, s.workers);
  line.add_option("file", s.file, "The CSV file").required();
  line.add_option("--db", s.db, "The database");
  line.add_option("--mode", s.mode, "Who does it; all: each in turn, into DB.serial and so on, from nothing")
      .one_of({"serial", "fifo", "scheduler", "all"})
      .shows_default();
  line.add_option("--latency", latency, "Milliseconds that a remote service takes for each record")
      .within(0U, 10000U)
      .shows_default();
  line.add_option("--generate", s.generate, "Writes a file of so many records first")
      .within(std::uint64_t{1}, std::uint64_t{100000000});
  return support::run_program(line, argc, argv, [&] {
    s.latency = std::chrono::milliseconds(latency);
    if (s.generate != 0) generate(s);
    if (s.db.empty()) {
      if (s.generate != 0) return 0;
      throw std::runtime_error(
          "no database was named (use --db OUT.sqlite, or --generate N for a file only)");
    }
    if (s.mode == "all") return compare(s);
    print(s, import_once(s));
    return 0;
  });
}
