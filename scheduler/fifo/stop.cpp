// Prints a stop report.
#include <coppice/stop.hpp>

#include <ostream>

namespace coppice::inline v0 {
namespace {

// Three or four digits are what a person reads; the unit follows the size.
std::string readable(std::chrono::nanoseconds age) {
  using namespace std::chrono;
  if (age >= seconds(10)) return std::to_string(duration_cast<seconds>(age).count()) + " s";
  if (age >= milliseconds(10)) return std::to_string(duration_cast<milliseconds>(age).count()) + " ms";
  if (age >= microseconds(10)) return std::to_string(duration_cast<microseconds>(age).count()) + " us";
  return std::to_string(age.count()) + " ns";
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const stop_report& report) {
  // One string first: a stream left in std::hex must not change the numbers, nor its width the line.
  std::string text = "stop: ran " + std::to_string(report.ran) + ", skipped " +
                     std::to_string(report.skipped) + ", rejected " + std::to_string(report.rejected);
  if (!report.still_running.empty()) text += ", still running " + std::to_string(report.still_running.size());
  for (const running_task& task : report.still_running) {
    text += "\n  " + task.path;
    if (!task.name.empty()) text += " \"" + task.name + '"';
    text += " on worker " + std::to_string(task.worker) + ", for " + readable(task.age);
  }
  return out.write(text.data(), static_cast<std::streamsize>(text.size()));
}

}  // namespace coppice::inline v0
