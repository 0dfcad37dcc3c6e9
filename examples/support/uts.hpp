// The trees of the Unbalanced Tree Search benchmark: node, number of children, child.
//
// A node is the SHA-1 of its parent's and its own number, so a tree of any shape costs 20 bytes of input, is
// the same everywhere, and nobody can tell the size of a branch without walking it.
//
//   const support::uts::tree& t = *support::uts::find_tree("T1");
//   support::uts::node root = support::uts::root(t);
//   for (int i = 0; i < support::uts::children(t, root); ++i) visit(support::uts::child(root, i));
//
// Source: Olivier et al., UTS: An Unbalanced Tree Search Benchmark (2006); the sample trees of its
// version 1.1.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <string_view>

#include "support/sha1.hpp"

namespace support::uts {

enum class shape { geometric, binomial };

struct tree {
  std::string_view name;
  shape kind;
  double b0;  // mean number of children: of each node (geometric), of the root (binomial)
  int depth;  // geometric: nodes from here on are leaves
  double q;   // binomial: probability of having children at all
  int m;      // binomial: how many, then
  std::uint32_t seed;
  std::uint64_t nodes;  // as published
};

inline constexpr tree trees[] = {
    {"T1", shape::geometric, 4, 10, 0, 0, 19, 4130071},
    {"T3", shape::binomial, 2000, 0, 0.124875, 8, 42, 4112897},
    {"T1L", shape::geometric, 4, 13, 0, 0, 29, 102181082},
    {"T3L", shape::binomial, 2000, 0, 0.200014, 5, 7, 111345631},
};

// Null if there is none of that name.
inline const tree* find_tree(std::string_view name) {
  for (const tree& t : trees)
    if (t.name == name) return &t;
  return nullptr;
}

struct node {
  sha1_digest state;
  int depth;
};

namespace detail {

inline unsigned char* put_big_endian(unsigned char* to, std::uint32_t n) {
  for (int shift = 24; shift >= 0; shift -= 8) *to++ = static_cast<unsigned char>(n >> shift & 0xff);
  return to;
}

}  // namespace detail

inline node root(const tree& t) {
  unsigned char message[20] = {};
  detail::put_big_endian(message + 16, t.seed);
  return {sha1(message), 0};
}

inline node child(const node& parent, int index) {
  unsigned char message[24];
  unsigned char* end = message;
  for (const std::uint32_t word : parent.state) end = detail::put_big_endian(end, word);
  detail::put_big_endian(end, static_cast<std::uint32_t>(index));
  return {sha1(message), parent.depth + 1};
}

inline int children(const tree& t, const node& n) {
  // Uniform in [0, 1), from the last 31 bits.
  const double u = static_cast<double>(n.state[4] & 0x7fffffff) / 2147483648.0;
  if (t.kind == shape::binomial) {
    if (n.depth == 0) return static_cast<int>(t.b0);
    return u < t.q ? t.m : 0;
  }
  if (n.depth >= t.depth) return 0;
  const double p = 1 / (1 + t.b0);
  constexpr int most = 100;
  return std::min(most, static_cast<int>(std::floor(std::log(1 - u) / std::log(1 - p))));
}

// What a walk finds out about a tree.
struct census {
  std::uint64_t nodes = 0;
  std::uint64_t leaves = 0;
  int max_depth = 0;

  census& operator+=(const census& other) {
    nodes += other.nodes;
    leaves += other.leaves;
    max_depth = std::max(max_depth, other.max_depth);
    return *this;
  }
  friend bool operator==(const census&, const census&) = default;
};

}  // namespace support::uts
