# Each public header compiles alone, may be included twice, and may be included by two files of one program:
# one translation unit for each header, and one for all of them, which finds what is not inline at link time.
file(
  GLOB_RECURSE headers CONFIGURE_DEPENDS
  RELATIVE ${PROJECT_SOURCE_DIR}/include
  ${PROJECT_SOURCE_DIR}/include/coppice/*.hpp)
if(NOT headers)
  return()
endif()

set(folder ${CMAKE_CURRENT_BINARY_DIR}/headers)
set(all "")
set(sources "")
foreach(header IN LISTS headers)
  string(MAKE_C_IDENTIFIER "${header}" stem)
  file(CONFIGURE OUTPUT ${folder}/${stem}.cpp CONTENT "#include <${header}>\n#include <${header}>\n" @ONLY)
  list(APPEND sources ${folder}/${stem}.cpp)
  string(APPEND all "#include <${header}>\n")
endforeach()
file(CONFIGURE OUTPUT ${folder}/all.cpp CONTENT "${all}int main() {}\n" @ONLY)

add_executable(header_alone ${folder}/all.cpp ${sources})
target_link_libraries(header_alone PRIVATE coppice::coppice)
coppice_own_target(header_alone)
target_compile_options(header_alone PRIVATE -O0 -g0)
set_target_properties(header_alone PROPERTIES UNITY_BUILD OFF)
add_test(NAME header_alone COMMAND header_alone)
set_tests_properties(header_alone PROPERTIES LABELS headers TIMEOUT 60)
