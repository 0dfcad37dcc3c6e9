// Reads a stream as its plan says.
#pragma once

#include <coppice/coppice.hpp>

#include "streams/bystander.hpp"
#include "streams/item.hpp"
#include "streams/plan.hpp"
#include "streams/seen.hpp"
#include "streams/troubles.hpp"

namespace fuzz::streams {

fate fate_of(const coppice::result<item>& r);
/// To its end, or as far as the plan says; the stream is gone then.
void read(coppice::results<item> from, const stream& s, std::uint32_t number, bystander& near,
          seen_stream& seen, troubles& wrong);

}  // namespace fuzz::streams
