// The records of csv_import: a person, as a line of a CSV file and as a row of a table.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <functional>
#include <ostream>
#include <string>
#include <unordered_set>

#include "support/csv.hpp"

namespace support {

struct person {
  std::uint64_t line = 0;  // of the file; the row's key
  std::int64_t id = 0;
  std::string name, email, country;
  std::int64_t cents = 0;
  std::string born;

  friend bool operator==(const person&, const person&) = default;
};

// Validates and transforms. Throws std::runtime_error, "line 17: ...", for a record that is no person.
person to_person(const csv_record& record);

// A file of so many records: names in quotes, quotes in names, line breaks in names; each 1000th record is
// bad.
void generate_people(std::ostream& out, std::uint64_t count);

// A table of people in an SQLite file. Rows become durable in transactions of `batch`; whatever is killed
// between two leaves the last one. One thread at a time.
class people_table {
 public:
  static constexpr unsigned batch = 1000;

  // Throws std::runtime_error with SQLite's reason; so do all members.
  explicit people_table(const std::string& path);
  people_table(const people_table&) = delete;
  people_table& operator=(const people_table&) = delete;
  ~people_table();

  std::unordered_set<std::uint64_t> lines();                 // that are in the table
  void each(const std::function<void(const person&)>& row);  // in the order of their lines
  void insert(const person& p);
  void commit();

 private:
  void run(const char* sql);
  void check(int status, const char* doing) const;

  const std::string path_;
  sqlite3* db_ = nullptr;
  sqlite3_stmt* insert_ = nullptr;
  unsigned uncommitted_ = 0;
};

}  // namespace support
