// What the tests of the topology share.
#pragma once

#include <string>

#include "platform/topology.hpp"

/// Whether t's description has the text in it.
inline bool says(const coppice::platform::topology& t, const std::string& text) {
  return t.describe().find(text) != std::string::npos;
}
