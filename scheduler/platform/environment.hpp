// COPPICE_WORKERS and COPPICE_PIN: how the user of a program changes what its author left at the
// default. The reading is apart from the deciding, so that the decision is tested without setenv.
#pragma once

#include <chrono>
#include <coppice/options.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace coppice::inline v0::platform {

/// A decimal number from 0 (all that this process may use) to max_workers; anything else: empty.
std::optional<unsigned> parse_workers(std::string_view text) noexcept;

/// `core`, `pu`, `numa` or `none`; anything else: empty.
std::optional<pinning> parse_pinning(std::string_view text) noexcept;

/// The word by which `pin` is named in COPPICE_PIN and in describe().
std::string_view to_word(pinning pin) noexcept;

/// Workers and pinning after the environment was heard, and what it said that made no sense.
struct overridden {
  unsigned workers = 0;
  pinning pin = pinning::core;
  std::vector<std::string> warnings;  ///< one line each, without newline
};

/// Replaces the defaults (`workers == 0`, `pin == pinning::core`) by the texts of the environment;
/// a null or empty text says nothing, and one that is not asked for is not judged either. An author
/// who writes `pinning::core` cannot be told from one who wrote nothing.
///
/// Throws: std::bad_alloc.
overridden override_defaults(unsigned workers, pinning pin, const char* workers_text, const char* pin_text);

/// The same with the environment of this process; warnings go to stderr, each once per process.
///
/// Threads: any, but not while another thread changes the environment (getenv).
/// Throws: std::bad_alloc.
overridden override_from_environment(unsigned workers, pinning pin);

/// What `COPPICE_STALL_MS` says, a number of milliseconds, if the program asked for 0; warnings as above.
/// It may not say more than a day, and more that a program asks for is taken for a day.
std::chrono::milliseconds stall_from_environment(std::chrono::milliseconds asked);

}  // namespace coppice::inline v0::platform
