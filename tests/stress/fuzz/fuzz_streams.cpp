// Random streams, run by schedulers and FIFO pools and judged by an oracle.
#include <iostream>

#include "command.hpp"
#include "streams/campaign.hpp"

int main(int argc, char** argv) {
  namespace streams = fuzz::streams;
  fuzz::command c;
  if (const std::optional<int> status = fuzz::parse(
          argc, argv, streams::campaign_name,
          "Runs plans of random streams, with jobs, groups, joins, FIFO tasks and other streams in their "
          "functions, on two schedulers and two FIFO pools, and compares each with an oracle.",
          c))
    return *status;
  if (c.print) {
    std::cout << streams::to_text(streams::make_plan(c.given.seed, c.given.workers));
    return 0;
  }
  const streams::tally done = streams::run_campaign(c.given, std::cerr);
  std::cout << streams::summary(done, c.given.seed) << std::endl;
  return done.failed ? 1 : 0;
}
