// integrate: an area by halving an interval until two ways to compute it agree.
#pragma once

#include <cmath>

#include "workloads/base.hpp"

namespace bench {

inline double cubic(double x) { return (x * x + 1.0) * x; }

// The area below the cubic from x1 to x2, of which `area` is the first guess.
template <class Verbs>
double integrate(double x1, double y1, double x2, double y2, double area,  // NOLINT(misc-no-recursion)
                 double tolerance) {
  const double x0 = (x1 + x2) / 2;
  const double y0 = cubic(x0);
  const double left = (y1 + y0) / 2 * (x0 - x1);
  const double right = (y0 + y2) / 2 * (x2 - x0);
  if (std::abs(left + right - area) < tolerance) return left + right;
  auto [a, b] = Verbs::both([=] { return integrate<Verbs>(x1, y1, x0, y0, left, tolerance); },
                            [=] { return integrate<Verbs>(x0, y0, x2, y2, right, tolerance); });
  return a + b;
}

struct integrate_work {
  double to;
  double tolerance;
  template <class Verbs>
  double run() {
    return integrate<Verbs>(0, cubic(0), to, cubic(to), 0, tolerance);
  }
  void check(double area) const {
    const double exact = to * to * (to * to / 4 + 0.5);
    if (!(std::abs(area - exact) < 1e-6 * exact)) wrong_result("integrate");
  }
};

template <class Runtime>
void add_integrate(const char* runtime, unsigned workers) {
  const std::uint64_t to = the_settings().sized<std::uint64_t>(1000, 10'000);
  add_work_row<Runtime>({"integrate", runtime, parameter("to", to), workers}, [=] {
    return integrate_work{static_cast<double>(to), 1e-3};
  });
}

}  // namespace bench
