# Flags for coppice's own targets. They stand on interface targets that are linked privately and only in
# the build tree: neither an embedding project nor an installed package ever sees them.

add_library(coppice_warnings INTERFACE)
target_compile_options(
  coppice_warnings
  INTERFACE -Wall
            -Wextra
            -Wpedantic
            -Wshadow
            -Wconversion
            -Wsign-conversion
            -Wold-style-cast
            -Wnon-virtual-dtor
            -Woverloaded-virtual
            $<$<BOOL:${COPPICE_WERROR}>:-Werror>)

add_library(coppice_sanitizers INTERFACE)
if(COPPICE_SANITIZE)
  if(NOT COPPICE_SANITIZE MATCHES "^(address|undefined|address,undefined|thread)$")
    message(FATAL_ERROR "COPPICE_SANITIZE is '${COPPICE_SANITIZE}', which is not known. "
                        "Use address, undefined, 'address,undefined' or thread, or leave it empty.")
  endif()
  # A report that does not fail the test is a report nobody reads.
  target_compile_options(
    coppice_sanitizers INTERFACE -fsanitize=${COPPICE_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(coppice_sanitizers INTERFACE -fsanitize=${COPPICE_SANITIZE})
endif()

# These four checks double the time in which a test compiles. The library and the examples keep them.
add_library(coppice_fewer_checks INTERFACE)
if(COPPICE_SANITIZE MATCHES "undefined")
  target_compile_options(coppice_fewer_checks INTERFACE -fno-sanitize=null,alignment,object-size,vptr)
endif()

# coppice_own_target(<target>): each library and program of this project passes through here.
function(coppice_own_target target)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF)
  target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:coppice_warnings>
                                          $<BUILD_INTERFACE:coppice_sanitizers>)
  if(COPPICE_FEWER_CHECKS)
    target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:coppice_fewer_checks>)
  endif()
endfunction()
