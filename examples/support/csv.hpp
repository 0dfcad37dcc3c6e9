// CSV as it is in the wild: quoted fields, doubled quotes, line breaks inside of quotes. The fields are found
// by libcsv; where a record begins and ends is found here, so that records can be parsed at the same time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <istream>
#include <iterator>
#include <string>
#include <vector>

namespace support {

struct csv_record {
  std::uint64_t line = 0;  // on which it begins, from 1
  std::string text;        // as it stands in the file, without the last line break
};

// The records of a file, one after the other; an input range.
//
// Throws std::system_error when the file cannot be read.
class csv_records {
 public:
  explicit csv_records(std::istream& in) : in_(&in) {}

  class iterator {
   public:
    using value_type = csv_record;
    using difference_type = std::ptrdiff_t;
    explicit iterator(csv_records& from) : from_(&from) {}
    csv_record& operator*() const { return from_->record_; }
    iterator& operator++() {
      from_->advance();
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const { return from_->over_; }

   private:
    csv_records* from_;
  };
  iterator begin() {
    advance();
    return iterator(*this);
  }
  static std::default_sentinel_t end() { return {}; }

 private:
  void advance();

  std::istream* in_;
  csv_record record_;
  std::uint64_t lines_ = 0;
  bool over_ = false;
};

// The fields of one record, unquoted. Throws std::runtime_error with libcsv's reason, and the line.
std::vector<std::string> csv_fields(const csv_record& record);

}  // namespace support
