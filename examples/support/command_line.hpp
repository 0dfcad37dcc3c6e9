// The command line of a program: CLI11's, in so many words as the examples need. CLI11 is made of headers
// that take a compiler seconds; behind this one they are compiled once.
//
//   support::command_line line("Computes a Fibonacci number.", "fib");
//   int n = 0;
//   line.add_option("N", n, "Which one").required().within(0, 93);
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace support {

class command_line {
 public:
  // What is said of an option or flag; each word gives back the same one.
  class option {
   public:
    option& required();
    // The help shows what the variable holds by now.
    option& shows_default();
    // Only from `lowest` to `highest`, of the variable's type.
    template <class Value>
    option& within(Value lowest, Value highest);
    option& positive();
    option& one_of(const std::vector<std::string>& values);
    option& existing_file();
    option& existing_directory();
    // Only together with, and not together with, the one of this name, which was added before.
    option& needs(const std::string& name);
    option& excludes(const std::string& name);

   private:
    friend class command_line;
    option(CLI::App& app, CLI::Option& o) : app_(&app), option_(&o) {}
    CLI::App* app_;
    CLI::Option* option_;
  };

  command_line(const std::string& description, const std::string& name);
  command_line(const command_line&) = delete;
  command_line& operator=(const command_line&) = delete;
  ~command_line();

  // `name` begins with "--", or is what the help calls an argument without a name. Value: int, unsigned,
  // std::uint64_t, double, std::string, std::filesystem::path, or std::optional of one of the unsigned ones.
  template <class Value>
  option add_option(const std::string& name, Value& value, const std::string& description);
  option add_flag(const std::string& name, bool& value, const std::string& description);

  const std::string& name() const;
  // The exit status, if the program shall not run: 2, with a message on stderr, or 0 after --help.
  std::optional<int> parse(int argc, const char* const* argv);

 private:
  std::unique_ptr<CLI::App> app_;
};

}  // namespace support
