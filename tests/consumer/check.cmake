# Builds and runs the program of this folder as a user would, in one WAY for each test.
# Called by ctest, see tests.cmake for the variables.
cmake_minimum_required(VERSION 3.21)

set(work ${BUILD}/consumer/${WAY})
file(REMOVE_RECURSE ${work})
file(MAKE_DIRECTORY ${work})

function(run)
  execute_process(COMMAND ${ARGN} WORKING_DIRECTORY ${work} COMMAND_ECHO STDOUT RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "consumer, ${WAY}: this failed with ${result}: ${command}")
  endif()
endfunction()

function(run_program program)
  execute_process(COMMAND ${program} OUTPUT_VARIABLE output RESULT_VARIABLE result)
  if(NOT result EQUAL 0 OR NOT output STREQUAL "fib(20) = 6765\n")
    message(FATAL_ERROR "consumer, ${WAY}: exit ${result}, output: '${output}'")
  endif()
endfunction()

function(build_project)
  run(${CMAKE_COMMAND} -S ${SOURCE}/tests/consumer -B ${work} -G ${GENERATOR} -D CMAKE_CXX_COMPILER=${CXX}
      -D CMAKE_BUILD_TYPE=Debug -D COPPICE_VERSION=${VERSION} ${ARGN})
  run(${CMAKE_COMMAND} --build ${work})
  run_program(${work}/consumer)
endfunction()

if(WAY STREQUAL "install")
  file(REMOVE_RECURSE ${STAGE})
  run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${STAGE} --config "${CONFIG}")

elseif(WAY STREQUAL "package")
  build_project(-D CMAKE_PREFIX_PATH=${STAGE})

elseif(WAY STREQUAL "subdirectory")
  # Shared where the one that is installed is static, and the other way round.
  if(SHARED)
    set(other OFF)
  else()
    set(other ON)
  endif()
  build_project(-D COPPICE_SOURCE=${SOURCE} -D BUILD_SHARED_LIBS=${other} -D CMAKE_UNITY_BUILD_BATCH_SIZE=30)

elseif(WAY STREQUAL "pkg_config")
  set(ENV{PKG_CONFIG_PATH} ${STAGE}/${LIBDIR}/pkgconfig)
  execute_process(COMMAND ${PKG_CONFIG} --modversion coppice OUTPUT_VARIABLE version
                  OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  if(NOT version STREQUAL VERSION)
    message(FATAL_ERROR "consumer, pkg_config: version ${version}, expected ${VERSION}")
  endif()
  execute_process(COMMAND ${PKG_CONFIG} --cflags --libs coppice OUTPUT_VARIABLE flags
                  OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  separate_arguments(flags UNIX_COMMAND "${flags}")
  run(${CXX} -std=c++20 -o consumer ${SOURCE}/tests/consumer/main.cpp ${flags})
  set(ENV{LD_LIBRARY_PATH} ${STAGE}/${LIBDIR})
  run_program(${work}/consumer)

else()
  message(FATAL_ERROR "WAY '${WAY}' is not known: install, package, pkg_config or subdirectory")
endif()
