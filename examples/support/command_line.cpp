#include "support/command_line.hpp"

#include <CLI/CLI.hpp>
#include <cstdint>
#include <filesystem>
#include <optional>

namespace support {

using option = command_line::option;

option& option::required() {
  option_->required();
  return *this;
}

option& option::shows_default() {
  option_->capture_default_str();
  return *this;
}

template <class Value>
option& option::within(Value lowest, Value highest) {
  option_->check(CLI::Range(lowest, highest));
  return *this;
}

option& option::positive() {
  option_->check(CLI::PositiveNumber);
  return *this;
}

option& option::one_of(const std::vector<std::string>& values) {
  option_->check(CLI::IsMember(values));
  return *this;
}

option& option::existing_file() {
  option_->check(CLI::ExistingFile);
  return *this;
}

option& option::existing_directory() {
  option_->check(CLI::ExistingDirectory);
  return *this;
}

option& option::needs(const std::string& name) {
  option_->needs(app_->get_option(name));
  return *this;
}

option& option::excludes(const std::string& name) {
  option_->excludes(app_->get_option(name));
  return *this;
}

command_line::command_line(const std::string& description, const std::string& name)
    : app_(std::make_unique<CLI::App>(description, name)) {}

command_line::~command_line() = default;

template <class Value>
option command_line::add_option(const std::string& name, Value& value, const std::string& description) {
  return {*app_, *app_->add_option(name, value, description)};
}

option command_line::add_flag(const std::string& name, bool& value, const std::string& description) {
  return {*app_, *app_->add_flag(name, value, description)};
}

const std::string& command_line::name() const { return app_->get_name(); }

std::optional<int> command_line::parse(int argc, const char* const* argv) {
  try {
    app_->parse(argc, argv);
    return std::nullopt;
  } catch (const CLI::ParseError& e) {
    return app_->exit(e) == 0 ? 0 : 2;
  }
}

template option& option::within(int, int);
template option& option::within(unsigned, unsigned);
template option& option::within(std::uint64_t, std::uint64_t);
template option& option::within(double, double);

template option command_line::add_option(const std::string&, int&, const std::string&);
template option command_line::add_option(const std::string&, unsigned&, const std::string&);
template option command_line::add_option(const std::string&, std::uint64_t&, const std::string&);
template option command_line::add_option(const std::string&, std::optional<unsigned>&, const std::string&);
template option command_line::add_option(const std::string&, std::optional<std::uint64_t>&,
                                         const std::string&);
template option command_line::add_option(const std::string&, double&, const std::string&);
template option command_line::add_option(const std::string&, std::string&, const std::string&);
template option command_line::add_option(const std::string&, std::filesystem::path&, const std::string&);

}  // namespace support
