#include "printer.hpp"

#include <sstream>

#include "oracle.hpp"

namespace fuzz {

namespace {

constexpr const char* prelude = R"(#include <atomic>
#include <chrono>
#include <coppice/coppice.hpp>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <iostream>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using value = std::uint64_t;
using job = coppice::job<value>;

struct node_error : std::exception {
  explicit node_error(unsigned id) : text("node " + std::to_string(id)) {}
  const char* what() const noexcept override { return text.c_str(); }
  std::string text;
};

coppice::scheduler* home = nullptr;
coppice::scheduler* other = nullptr;
std::atomic<unsigned> entered{0};
unsigned differences = 0;

value busy(unsigned rounds) {
  value v = rounds;
  for (unsigned i = 0; i < rounds; ++i) v = v * 6364136223846793005U + 1442695040888963407U;
  return v;
}

// What the oracle foresees of a job that nothing cuts short.
void compare(const coppice::job_report& r, std::uint64_t spawned, std::uint64_t succeeded, std::uint64_t errors,
             const std::vector<std::string>& lines) {
  std::vector<std::string> got;
  for (const auto& e : r.errors) got.push_back(e.path + ' ' + e.message + (e.secondary ? " secondary" : ""));
  bool same = r.spawned == spawned && r.succeeded == succeeded && r.errors_total == errors && got.size() == lines.size();
  for (std::size_t i = 0; same && i < lines.size(); ++i) same = got[i].starts_with(lines[i]);
  if (same) return;
  ++differences;
  std::cout << "wanted " << spawned << " spawned, " << succeeded << " succeeded, " << errors << " errors\n";
  for (const auto& line : lines) std::cout << "    " << line << '\n';
  std::cout << "got    " << r;
}

)";

std::string function_of(const node& n) { return "node_" + std::to_string(n.id); }
std::string quoted(const node& n) { return "\"node " + std::to_string(n.id) + '"'; }

std::string options(const node& n) {
  std::string text = "{.name = " + quoted(n) + ", .errors = coppice::error_policy::" +
                     (n.job.collect_all ? "collect_all()" : "fail_fast()");
  switch (n.job.deadline) {
    case limit::none:
      break;
    case limit::passed:
      text += ", .deadline = std::chrono::steady_clock::now() - 1s";
      break;
    case limit::soon:
      text += ", .deadline = std::chrono::steady_clock::now() + 50us";
      break;
    case limit::far:
      text += ", .deadline = std::chrono::steady_clock::now() + 1h";
      break;
  }
  text += ", .keep_errors = " + std::to_string(n.job.keep_errors);
  if (n.job.shield) text += ", .shield = true";
  return text + '}';
}

class printer {
 public:
  explicit printer(const program& p) : program_(p), on_other_(runs_on_other(p)) {}

  std::string text() {
    out_ << "// Seed " << program_.seed << ", " << program_.workers << " workers.\n" << prelude;
    for_each(program_, [&](const node& n) { declare(n); });
    out_ << '\n';
    for (const node& r : program_.roots) functions(r.children[0]);
    main_function();
    return out_.str();
  }

 private:
  std::string submit(const node& n) const {
    return std::string(on_other_[n.id] ? "other" : "home") + "->submit(" + function_of(n.children[0]) + ", " +
           options(n) + ')';
  }

  void declare(const node& n) {
    out_ << "value " << function_of(n) << "();\n";
    if (n.what == kind::group) out_ << "coppice::task_group* group_" << n.id << " = nullptr;\n";
    if (n.what == kind::job) out_ << "job job_" << n.id << ";\n";
  }

  void functions(const node& n) {
    out_ << "value " << function_of(n) << "() {  // " << to_string(n.what) << "\n  ++entered;\n";
    body(n);
    out_ << "  return " << n.id << ";\n}\n\n";
    for (const node& c : n.children) functions(c);
  }

  void spawn(const node& c, const std::string& into) {
    out_ << "  " << into << "spawn(" << function_of(c) << (c.named ? ", " + quoted(c) : "") << ");\n";
  }

  void list(const node& n) {
    for (std::size_t i = 0; i < n.children.size(); ++i)
      out_ << (i == 0 ? "" : ", ") << function_of(n.children[i]);
  }

  void count_or_children(const node& n, const char* before) {
    if (n.children.empty()) {
      out_ << before << n.amount << "U";
    } else {
      out_ << "  constexpr value (*each[])() = {";
      list(n);
      out_ << "};\n" << before << n.children.size() << "U";
    }
  }
  std::string item(const node& n) {
    if (!n.children.empty()) return "return each[i](); ";
    return n.target == nothing ? "return value{i}; "
                               : "if (i == " + std::to_string(n.target) + "U) throw node_error(" +
                                     std::to_string(n.id) + "); return value{i}; ";
  }

  void body(const node& n) {
    switch (n.what) {
      case kind::leaf:
        out_ << "  busy(" << n.amount << ");\n";
        break;
      case kind::standing:
        out_ << "  coppice::blocking([] {\n";
        for (const node& c : n.children) out_ << "    " << function_of(c) << "();\n";
        out_ << "    for (int i = 0; i < " << n.amount << "; ++i) std::this_thread::yield();\n  });\n";
        break;
      case kind::sequence:
        for (const node& c : n.children) out_ << "  " << function_of(c) << "();\n";
        break;
      case kind::join:
        out_ << "  coppice::join(";
        list(n);
        out_ << ");\n";
        break;
      case kind::group:
        out_ << "  coppice::task_group group;\n  group_" << n.id << " = &group;\n";
        for (const node& c : n.children) spawn(c, "group.");
        out_ << "  group.wait();\n";
        break;
      case kind::left_group:
        out_ << "  coppice::task_group group;\n";
        for (const node& c : n.children) spawn(c, "group.");
        if (n.amount != 0) out_ << "  throw node_error(" << n.id << ");\n";
        break;
      case kind::spawn:
        for (const node& c : n.children) spawn(c, "coppice::");
        break;
      case kind::spawn_into:
        for (const node& c : n.children) spawn(c, "group_" + std::to_string(n.target) + "->");
        break;
      case kind::loop:
        count_or_children(n, "  coppice::parallel_for(0U, ");
        out_ << ", [&](unsigned i) { " << item(n) << "});\n";
        break;
      case kind::reduce:
        count_or_children(n, "  coppice::parallel_reduce(0U, ");
        out_ << ", value{0}, [&](unsigned i) { " << item(n)
             << "}, [](value a, value b) { return 3 * a + b; });\n";
        break;
      case kind::attempt:
        out_ << "  try {\n    " << function_of(n.children[0])
             << "();\n  } catch (const std::exception&) {\n  }";
        if (n.amount != 0) out_ << " catch (const coppice::cancelled&) {\n  }";
        out_ << '\n';
        break;
      case kind::raise:
        out_ << "  throw node_error(" << n.id << ");\n";
        break;
      case kind::fail:
        out_ << "  coppice::this_task::fail(std::make_error_code(std::errc::io_error), " << quoted(n)
             << ");\n";
        break;
      case kind::cancel_own:
        out_ << "  coppice::this_task::cancel_job(" << quoted(n) << ");\n";
        break;
      case kind::await:
        out_ << "  job_" << n.target << (n.amount != 0 ? ".get();\n" : ".wait();\n");
        break;
      case kind::cancel_kept:
        out_ << "  job_" << n.target << ".cancel();\n";
        break;
      case kind::job:
        inner_job(n);
        break;
    }
  }

  void inner_job(const node& n) {
    if (n.job.end == ending::keep) {
      out_ << "  job_" << n.id << " = " << submit(n) << ";\n  " << function_of(n.children[1]) << "();\n";
      return;
    }
    out_ << "  job inner = " << submit(n) << ";\n";
    if (n.job.end == ending::get) out_ << "  inner.get();\n";
    if (n.job.end == ending::wait) out_ << "  inner.wait();\n";
    if (n.job.end == ending::detach) out_ << "  inner.detach();\n";
  }

  // As the runner: first those that may be waiting for the job, then the job.
  void settle(const node& n) {
    if (n.what == kind::job && n.job.end == ending::detach) return;
    for (std::size_t i = n.children.size(); i > 1; --i) settle(n.children[i - 1]);
    if (n.what == kind::job && n.job.end == ending::keep)
      out_ << "    if (job_" << n.id << ".valid()) job_" << n.id << ".wait();\n    job_" << n.id
           << " = job();\n";
    if (!n.children.empty()) settle(n.children[0]);
  }

  void main_function() {
    out_ << "int main() {\n  for (int i = 0; i < 1000 && differences == 0; ++i) {\n"
         << "    coppice::scheduler mine({.workers = " << program_.workers
         << ", .injection_capacity = " << program_.injection_capacity
         << ", .max_spare_workers = " << program_.spares << "});\n"
         << "    coppice::scheduler second({.workers = " << program_.other_workers
         << ", .max_spare_workers = " << program_.spares << "});\n"
         << "    home = &mine;\n    other = &second;\n    entered = 0;\n";
    for (const node& r : program_.roots) out_ << "    job_" << r.id << " = " << submit(r) << ";\n";
    for (std::size_t i = 0; i < program_.roots.size(); ++i)
      if (program_.cancel_after[i] != never)
        out_ << "    while (entered < " << program_.cancel_after[i] << " && !job_" << program_.roots[i].id
             << ".done()) {\n    }\n    job_" << program_.roots[i].id << ".cancel();\n";
    const bool exact = is_exact(program_);
    const future wanted = exact ? foresee(program_) : future{};
    for (const node& r : program_.roots) {
      if (exact)
        compare(r, *wanted.jobs[r.id]);
      else
        out_ << "    std::cout << job_" << r.id << ".wait();\n";
      settle(r.children[0]);
    }
    out_ << "    mine.stop();\n    second.stop();\n";
    for (const node& r : program_.roots) out_ << "    job_" << r.id << " = job();\n";
    out_ << "  }\n  return differences != 0;\n}\n";
  }

  void compare(const node& r, const foreseen_job& wanted) {
    out_ << "    compare(job_" << r.id << ".wait(), " << wanted.spawned << ", " << wanted.succeeded << ", "
         << wanted.errors.size() << ", {";
    for (std::size_t i = 0; i < wanted.errors.size() && i < r.job.keep_errors; ++i) {
      const foreseen_error& e = wanted.errors[i];
      const bool of_job = e.type == error_type::job_failed || e.type == error_type::job_past_deadline;
      out_ << (i == 0 ? "\"" : ", \"") << to_text(e.where)
           << (of_job ? " job" : " node " + std::to_string(e.id)) << '"';
    }
    out_ << "});\n";
  }

  const program& program_;
  const std::vector<bool> on_other_;
  std::ostringstream out_;
};

}  // namespace

std::string as_cpp(const program& p) { return printer(p).text(); }

}  // namespace fuzz
