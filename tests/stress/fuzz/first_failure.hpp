// The first program of a campaign that fails: told of, made small, and printed.
#pragma once

#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "alarm.hpp"
#include "orders.hpp"

namespace fuzz {

/// `complaints_of` runs a program and says what was wrong; `text` prints one. Writes to `out`.
template <class Program, class ComplaintsOf, class Text>
void tell_of_failure(fuzzer_name name, const orders& o, const Program& failing,
                     std::vector<std::string> wrong, const ComplaintsOf& complaints_of, const Text& text,
                     std::ostream& out) {
  const auto list = [&] {
    for (const std::string& line : wrong) out << "  " << line << '\n';
  };
  out << name.program << ": the program of seed " << failing.seed << " fails:\n";
  list();
  out << "repeat it with: " << name.program << " --seed " << failing.seed << " --" << name.many
      << " 1 --repeat 1000";
  if (o.workers != 0) out << " --workers " << o.workers;
  out << '\n' << std::flush;
  const patience patient;
  const Program small = shrink(failing, [&](const Program& p) {
    return patient.fails([&] {
      std::vector<std::string> now = complaints_of(p);
      if (now.empty()) return true;
      wrong = std::move(now);
      return false;
    });
  });
  out << "made smaller, it fails so:\n";
  list();
  out << '\n' << text(small) << std::flush;
}

}  // namespace fuzz
