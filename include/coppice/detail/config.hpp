// What the compiler and the build decide for every header.
#pragma once

// COPPICE_API marks what the compiled library offers to other binaries.
#if defined(COPPICE_SHARED) && defined(__GNUC__)
#define COPPICE_API __attribute__((visibility("default")))
#else
#define COPPICE_API
#endif

// Out of the way of the fork's few instructions.
#define COPPICE_COLD [[gnu::cold, gnu::noinline]]
