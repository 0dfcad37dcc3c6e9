// The bounds that several floors must agree on. Each is part of an error text, so it has one place.
#pragma once

namespace coppice::inline v0::platform {

/// More workers than this are refused: victim lists and park words are laid out per worker, and no
/// machine has so many cores that a larger number would be anything but a mistyped one.
inline constexpr unsigned max_workers = 4096;

/// A larger number of spare workers stands for this one: a system has not so many threads, and each takes a
/// word from the start.
inline constexpr unsigned max_spares = 65536;

}  // namespace coppice::inline v0::platform
