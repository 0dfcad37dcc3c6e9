// SHA-1 of a message that fits into one block, for programs that hash short messages by the million.
//
// OpenSSL's one-shot SHA1() looks its algorithm up at each call, which takes longer than the hash; the block
// function does not.
#pragma once

#ifndef OPENSSL_API_COMPAT
// The block function belongs to the interface of version 1.1.
#define OPENSSL_API_COMPAT 0x10101000L
#endif
#include <openssl/sha.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace support {

// The digest as five numbers; the first byte of the usual text form is the highest byte of the first number.
using sha1_digest = std::array<std::uint32_t, 5>;

inline constexpr std::size_t sha1_one_block = 55;

// Requires message.size() <= sha1_one_block.
inline sha1_digest sha1(std::span<const unsigned char> message) {
  std::array<unsigned char, SHA_CBLOCK> block{};
  std::memcpy(block.data(), message.data(), message.size());
  block[message.size()] = 0x80;
  const std::size_t bits = message.size() * 8;
  block[62] = static_cast<unsigned char>(bits >> 8);
  block[63] = static_cast<unsigned char>(bits & 0xff);
  SHA_CTX context;
  SHA1_Init(&context);
  SHA1_Transform(&context, block.data());
  return {context.h0, context.h1, context.h2, context.h3, context.h4};
}

}  // namespace support
