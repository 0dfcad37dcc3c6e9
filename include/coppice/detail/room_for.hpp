// Room for what few need, or what somebody else is to make: where it lies is known before it is made.
//
// Whether it was made is kept elsewhere, beside what is looked at anyway; whoever makes it sees to its end.
#pragma once

namespace coppice {
inline namespace v0 {
namespace detail {

template <class T>
union room_for {
  room_for() noexcept {}  // NOLINT(modernize-use-equals-default): makes none
  room_for(const room_for&) = delete;
  room_for& operator=(const room_for&) = delete;
  ~room_for() {}  // NOLINT(modernize-use-equals-default): whoever made it ends it
  T made;
};

}  // namespace detail
}  // namespace v0
}  // namespace coppice
