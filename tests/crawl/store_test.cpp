#include "crawl/store.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using crawl::link_row;
using crawl::page_row;
using crawl::store;

class storing : public testing::Test {
 protected:
  storing()
      : path_(std::filesystem::temp_directory_path() / ("crawl-" + std::to_string(::getpid()) + ".sqlite")) {
    remove();
  }
  ~storing() override { remove(); }
  void remove() const {
    for (const char* const end : {"", "-wal", "-shm"}) std::filesystem::remove(path_.string() + end);
  }
  std::vector<page_row> rows() const {
    std::vector<page_row> all;
    store(path_).load([&](page_row&& row) { all.push_back(std::move(row)); });
    return all;
  }
  // Why a crawl cannot go on with the file; empty: it can.
  std::string why_not() const {
    try {
      const store s(path_);
      return {};
    } catch (const std::runtime_error& e) {
      return e.what();
    }
  }
  // As somebody else who has opened the file.
  void change(const char* sql) const {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(path_.c_str(), &db), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(db, sql, nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(db);
    sqlite3_close(db);
  }
  const std::filesystem::path path_;
  const store::settings_map settings_{{"start", "http://h/1"}};
};

page_row a_page(const std::string& url) {
  page_row row;
  row.url = url;
  row.state = "done";
  row.status = 200;
  row.title = "T'\"";
  row.links = {{"http://h/x", "a", link_row::where::inside}, {"http://o/", "img", link_row::where::outside}};
  return row;
}

TEST_F(storing, KeepsPagesWithTheirLinks) {
  {
    store s(path_, settings_);
    s.add(a_page("http://h/1"));
    s.flush();
    s.add(a_page("http://h/2"));
    s.flush();
    s.set_depth("http://h/2", 7, "http://h/1");
  }
  const auto all = rows();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[1].title, "T'\"");
  EXPECT_EQ(all[1].depth, 7U);
  EXPECT_EQ(all[1].referrer, "http://h/1");
  ASSERT_EQ(all[1].links.size(), 2U);
  EXPECT_EQ(all[1].links[1].target, "http://o/");
  EXPECT_EQ(all[1].links[1].to, link_row::where::outside);
  EXPECT_EQ(store(path_).setting("start"), "http://h/1");
  EXPECT_EQ(store(path_).setting("other"), std::nullopt);
}

TEST_F(storing, ForgetsWhatFailedForTheMomentAndKeepsTheRest) {
  {
    store s(path_, settings_);
    page_row gone = a_page("http://h/gone"), later = a_page("http://h/later");
    gone.state = later.state = "failed";
    gone.error = later.error = "why";
    later.transient = true;
    gone.links.clear();
    later.links.clear();
    s.add(gone);
    s.add(later);
    s.flush();
  }
  const auto all = rows();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].url, "http://h/gone");
  EXPECT_EQ(all[0].error, "why");
}

TEST_F(storing, NeverOverwritesAndNeverResumesNothing) {
  EXPECT_THROW(store{path_}, std::runtime_error);
  { const store s(path_, settings_); }
  EXPECT_THROW(store(path_, settings_), std::runtime_error);
  EXPECT_THROW(store("/nonexistent/x.sqlite", settings_), std::runtime_error);
}

TEST_F(storing, LeavesAFileAloneThatIsNoCrawl) {
  const auto make = [this](const char* sql) {
    remove();
    change(sql);
  };
  const auto content = [this] {
    std::ifstream in(path_, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  const auto expect_refused = [&](const char* what) {
    const std::string before = content();
    EXPECT_EQ(why_not(), path_.string() + " is no crawl of this program") << what;
    EXPECT_EQ(content(), before) << what;
  };
  std::ofstream(path_).flush();
  expect_refused("nothing");
  std::ofstream(path_) << std::string(5000, 'x');
  expect_refused("no database");
  make("CREATE TABLE notes (text TEXT)");
  expect_refused("another database");
  make("CREATE TABLE crawl (key TEXT, value TEXT)");
  expect_refused("a crawl without a start");
}

TEST_F(storing, IsOfOneCrawlAtATime) {
  {
    const store first(path_, settings_);
    EXPECT_EQ(why_not(), "another crawl is writing " + path_.string());
  }
  EXPECT_EQ(why_not(), "");
  EXPECT_EQ(why_not(), "") << "nor is a claim left by the second one";
}

TEST_F(storing, AFailedBatchLeavesNoPartOfIt) {
  {
    store s(path_, settings_);
    s.add(a_page("http://h/1"));
    s.add(a_page("http://h/1"));  // not unique
    EXPECT_THROW(s.flush(), std::runtime_error);
  }
  EXPECT_EQ(rows().size(), 0U);
}

TEST_F(storing, AFailedBatchIsWrittenTheNextTime) {
  {
    store s(path_, settings_);
    change(
        "CREATE TRIGGER refuse BEFORE INSERT ON pages WHEN NEW.url = 'http://h/2'"
        " BEGIN SELECT RAISE(ABORT, 'not yet'); END");
    s.add(a_page("http://h/1"));
    s.add(a_page("http://h/2"));
    EXPECT_THROW(s.flush(), std::runtime_error);
    s.add(a_page("http://h/3"));
    change("DROP TRIGGER refuse");
    s.flush();
  }
  const auto all = rows();
  ASSERT_EQ(all.size(), 3U);
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i].url, "http://h/" + std::to_string(i + 1));
}

TEST_F(storing, AsksForAFlushWhenThereIsABatch) {
  store s(path_, settings_);
  int added = 1;
  while (!s.add(a_page("http://h/" + std::to_string(added)))) ++added;
  EXPECT_EQ(added, 200);
  s.flush();
  EXPECT_FALSE(s.add(a_page("http://h/more")));
}

}  // namespace
