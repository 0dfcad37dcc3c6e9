#include "streams/options.hpp"

#include <system_error>

#include "observation.hpp"
#include "streams/oracle.hpp"

namespace fuzz::streams {

namespace {

bool decide(const coppice::task_error& error, const coppice::error_count&) {
  const std::optional<std::uint32_t> number = labelled(error.message);
  return number && stops_when(*number);
}

}  // namespace

coppice::error_policy policy_of(const error_rule& rule) {
  using coppice::error_policy;
  switch (rule.what) {
    case policy::collect_all:
      return error_policy::collect_all();
    case policy::fail_fast:
      return error_policy::fail_fast();
    case policy::after:
      return error_policy::after(rule.amount);
    case policy::fraction:
      return error_policy::fraction(0.5, rule.amount);
    case policy::when:
      return error_policy::when(decide);
    case policy::serial_first:
      return error_policy::serial_first();
  }
  return error_policy::collect_all();
}

std::optional<std::chrono::steady_clock::time_point> deadline_of(limit l) {
  if (l == limit::none) return std::nullopt;
  const auto now = std::chrono::steady_clock::now();
  return l == limit::passed ? now - std::chrono::seconds(1) : now + std::chrono::hours(1);
}

fate fate_of(const std::exception_ptr& error) {
  if (error == nullptr) return {fate::unknown};
  try {
    std::rethrow_exception(error);
  } catch (const node_error& e) {
    return {fate::node_error, e.id};
  } catch (const std::system_error& e) {
    return {fate::system_error, labelled(e.what()).value_or(nothing)};
  } catch (const coppice::cancelled&) {
    return {fate::cancelled};
  } catch (const coppice::job_exception&) {
    return {fate::not_run};
  } catch (...) {
    return {fate::unknown};
  }
}

}  // namespace fuzz::streams
