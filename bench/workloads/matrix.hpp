// matmul, strassen: dense matrices, halved in each dimension. The leaves are the same loops for every
// runtime; the entries are small whole numbers, so that any order of additions gives the same sums.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <vector>

#include "workloads/base.hpp"

namespace bench {

/// A square part of a matrix whose rows are `stride` apart.
template <class T>
struct block {
  T* at;
  std::size_t stride;
  T* row(std::size_t i) const { return at + i * stride; }
  block quarter(std::size_t i, std::size_t j, std::size_t half) const {
    return {at + i * half * stride + j * half, stride};
  }
};
using result_block = block<double>;
using input_block = block<const double>;

inline constexpr std::size_t matrix_leaf = 32;

/// c += a b, in loops. One function in the program, called by all: where each runtime's copy is inlined, the
/// compiler's choices for it differ by a fifth of the time.
BENCH_REAL_CALLS inline void multiply_leaf(result_block c, input_block a, input_block b, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t k = 0; k < n; ++k)
      for (std::size_t j = 0; j < n; ++j) c.row(i)[j] += a.row(i)[k] * b.row(k)[j];
}

/// c += a b: four quarters at a time, twice.
template <class Verbs>
void multiply(result_block c, input_block a, input_block b, std::size_t n) {  // NOLINT(misc-no-recursion)
  if (n <= matrix_leaf) return multiply_leaf(c, a, b, n);
  const std::size_t h = n / 2;
  for (std::size_t k = 0; k < 2; ++k) {
    const auto part = [=](std::size_t i, std::size_t j) {
      multiply<Verbs>(c.quarter(i, j, h), a.quarter(i, k, h), b.quarter(k, j, h), h);
    };
    Verbs::all([=] { part(0, 0); }, [=] { part(0, 1); }, [=] { part(1, 0); }, [=] { part(1, 1); });
  }
}

/// c = a + sign b
BENCH_REAL_CALLS inline void add_blocks(result_block c, input_block a, double sign, input_block b,
                                        std::size_t n) {
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j) c.row(i)[j] = a.row(i)[j] + sign * b.row(i)[j];
}

/// c = a b by seven products of half the size, each with its own room. Source: Strassen (1969).
template <class Verbs>
void strassen(result_block c, input_block a, input_block b, std::size_t n) {  // NOLINT(misc-no-recursion)
  if (n <= 2 * matrix_leaf) {
    for (std::size_t i = 0; i < n; ++i) std::fill_n(c.row(i), n, 0.0);
    return multiply_leaf(c, a, b, n);
  }
  const std::size_t h = n / 2;
  const auto a_at = [=](std::size_t i, std::size_t j) { return a.quarter(i, j, h); };
  const auto b_at = [=](std::size_t i, std::size_t j) { return b.quarter(i, j, h); };
  // Seven products, and two operands for each.
  const auto room = std::make_unique_for_overwrite<double[]>(21 * h * h);
  const auto slot = [&room, h](std::size_t k) { return result_block{room.get() + k * h * h, h}; };
  const auto input = [](result_block x) { return input_block{x.at, x.stride}; };
  // Product k of (a1 + s a2) (b1 + t b2); a sign of 0 leaves the second one out.
  const auto product = [&](std::size_t k, input_block a1, double s, input_block a2, input_block b1, double t,
                           input_block b2) {
    if (s != 0) add_blocks(slot(7 + k), a1, s, a2, h);
    if (t != 0) add_blocks(slot(14 + k), b1, t, b2, h);
    strassen<Verbs>(slot(k), s != 0 ? input(slot(7 + k)) : a1, t != 0 ? input(slot(14 + k)) : b1, h);
  };
  Verbs::all([&] { product(0, a_at(0, 0), 1, a_at(1, 1), b_at(0, 0), 1, b_at(1, 1)); },
             [&] { product(1, a_at(1, 0), 1, a_at(1, 1), b_at(0, 0), 0, b_at(0, 0)); },
             [&] { product(2, a_at(0, 0), 0, a_at(0, 0), b_at(0, 1), -1, b_at(1, 1)); },
             [&] { product(3, a_at(1, 1), 0, a_at(1, 1), b_at(1, 0), -1, b_at(0, 0)); },
             [&] { product(4, a_at(0, 0), 1, a_at(0, 1), b_at(1, 1), 0, b_at(1, 1)); },
             [&] { product(5, a_at(1, 0), -1, a_at(0, 0), b_at(0, 0), 1, b_at(0, 1)); },
             [&] { product(6, a_at(0, 1), -1, a_at(1, 1), b_at(1, 0), 1, b_at(1, 1)); });
  for (std::size_t i = 0; i < h; ++i)
    for (std::size_t j = 0; j < h; ++j) {
      const auto m = [&](std::size_t k) { return slot(k).row(i)[j]; };
      c.quarter(0, 0, h).row(i)[j] = m(0) + m(3) - m(4) + m(6);
      c.quarter(0, 1, h).row(i)[j] = m(2) + m(4);
      c.quarter(1, 0, h).row(i)[j] = m(1) + m(3);
      c.quarter(1, 1, h).row(i)[j] = m(0) - m(1) + m(2) + m(5);
    }
}

/// Two random matrices, and whether what came out is their product.
class matrix_input {
 public:
  explicit matrix_input(std::size_t size) : n(size), a(n * n), b(n * n), c(n * n) {
    std::uint64_t seed = 3;
    for (double& x : a) x = static_cast<double>(next_random(seed) % 8);
    for (double& x : b) x = static_cast<double>(next_random(seed) % 8);
  }
  void reset() { std::fill(c.begin(), c.end(), 0.0); }
  /// c x = a (b x) for a random x. Source: Freivalds (1977).
  void check(const char* workload) const {
    std::uint64_t seed = 5;
    std::vector<double> x(n);
    for (double& e : x) e = static_cast<double>(next_random(seed) % 1000);
    if (times(c, x) != times(a, times(b, x))) wrong_result(workload);
  }

  std::size_t n;
  std::vector<double> a, b, c;

 private:
  std::vector<double> times(const std::vector<double>& m, const std::vector<double>& x) const {
    std::vector<double> y(n);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j) y[i] += m[i * n + j] * x[j];
    return y;
  }
};

template <bool Strassen>
class matrix_work {
 public:
  explicit matrix_work(std::size_t n) : in_(n) {}
  void reset() { in_.reset(); }
  template <class Verbs>
  int run() {
    const std::size_t n = in_.n;
    const result_block c{in_.c.data(), n};
    const input_block a{in_.a.data(), n};
    const input_block b{in_.b.data(), n};
    if constexpr (Strassen)
      strassen<Verbs>(c, a, b, n);
    else
      multiply<Verbs>(c, a, b, n);
    return 0;
  }
  void check(int) const { in_.check(Strassen ? "strassen" : "matmul"); }

 private:
  matrix_input in_;
};

template <class Runtime>
void add_matrices(const char* runtime, unsigned workers) {
  const std::size_t n = the_settings().sized<std::size_t>(256, 1024);
  add_work_row<Runtime>({"matmul", runtime, parameter("n", n), workers},
                        [=] { return matrix_work<false>(n); });
  add_work_row<Runtime>({"strassen", runtime, parameter("n", n), workers},
                        [=] { return matrix_work<true>(n); });
}

}  // namespace bench
