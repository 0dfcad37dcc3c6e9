// Random task trees, run by the scheduler and judged by an oracle.
#include <iostream>

#include "campaign.hpp"
#include "command.hpp"
#include "printer.hpp"

int main(int argc, char** argv) {
  fuzz::command c;
  if (const std::optional<int> status = fuzz::parse(
          argc, argv, fuzz::trees_name,
          "Runs random task trees on coppice and compares each with a serial oracle. A printed tree "
          "is a C++ program.",
          c))
    return *status;
  if (c.print) {
    std::cout << fuzz::as_cpp(fuzz::make_program(c.given.seed, c.given.workers));
    return 0;
  }
  const fuzz::tally done = fuzz::run_campaign(c.given, std::cerr);
  std::cout << fuzz::summary(done, c.given.seed) << std::endl;
  return done.failed ? 1 : 0;
}
