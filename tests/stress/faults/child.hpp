// A child process in which something is broken for good: a limit, a system call, a mask. A child that hangs
// is ended after a minute, ten under a sanitizer, so that a hang is a failure and not a missing answer.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>

namespace faults {

/// True if `claims` returned true in a forked child. What it throws, and how it died, is in the message.
testing::AssertionResult holds_in_child(const std::function<bool()>& claims);

/// In a child: says on stderr what does not hold.
bool claim(bool held, const char* what, const std::string& details = {});

/// From now on the kernel answers this system call with `error`, as a container's filter does. For ever.
void refuse_system_call(long number, int error);

bool has_text(const std::string& text, const std::string& part);

}  // namespace faults

#define CLAIM(condition, ...) faults::claim(condition, #condition __VA_OPT__(, ) __VA_ARGS__)
