#include "explorer/choices.hpp"

#include <sstream>
#include <stdexcept>

namespace model {

unsigned choices::next(unsigned n) noexcept {
  if (at_ == path_.size()) path_.push_back({0, static_cast<std::uint16_t>(n)});
  choice& c = path_[at_++];
  if (c.of == 0) c.of = static_cast<std::uint16_t>(n);
  if (c.of != n || c.taken >= n) {
    confused_ = true;
    return 0;
  }
  return c.taken;
}

bool choices::advance() noexcept {
  path_.resize(at_);
  while (!path_.empty() && path_.back().taken + 1 == path_.back().of) path_.pop_back();
  if (path_.empty()) return false;
  ++path_.back().taken;
  at_ = 0;
  return true;
}

void choices::clear() noexcept {
  path_.clear();
  at_ = 0;
  confused_ = false;
}

void choices::append(unsigned taken) {
  path_.push_back({static_cast<std::uint16_t>(taken), 0});
  at_ = path_.size();
}

std::string choices::to_text() const {
  std::ostringstream text;
  // Zeros at the end are what a new path takes anyway.
  std::size_t n = at_;
  while (n > 0 && path_[n - 1].taken == 0) --n;
  for (std::size_t i = 0; i < n;) {
    std::size_t same = i;
    while (same < n && path_[same].taken == path_[i].taken) ++same;
    text << (i != 0 ? "." : "") << path_[i].taken;
    if (same - i > 1) text << '*' << same - i;
    i = same;
  }
  return text.str().empty() ? "0" : text.str();
}

void choices::from_text(const std::string& text) {
  clear();
  std::istringstream in(text);
  std::string part;
  while (std::getline(in, part, '.')) {
    const std::size_t star = part.find('*');
    try {
      const auto taken = static_cast<std::uint16_t>(std::stoul(part.substr(0, star)));
      const std::size_t times = star == std::string::npos ? 1 : std::stoul(part.substr(star + 1));
      path_.insert(path_.end(), times, {taken, 0});
    } catch (const std::exception&) {
      throw std::invalid_argument("cannot read \"" + part + "\" in the schedule \"" + text +
                                  "\" (it is a line like 0*12.1.0.2, as a failure prints it)");
    }
  }
}

}  // namespace model
