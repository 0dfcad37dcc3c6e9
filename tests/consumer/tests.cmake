# A user's project, built in each way a user may build it: find_package, pkg-config, add_subdirectory.
set(stage ${PROJECT_BINARY_DIR}/stage)

function(coppice_consumer_test name)
  add_test(
    NAME consumer_${name}
    COMMAND
      ${CMAKE_COMMAND} -D WAY=${name} -D SOURCE=${PROJECT_SOURCE_DIR} -D BUILD=${PROJECT_BINARY_DIR} -D STAGE=${stage}
      -D LIBDIR=${CMAKE_INSTALL_LIBDIR} -D CONFIG=$<CONFIG> -D CXX=${CMAKE_CXX_COMPILER}
      -D GENERATOR=${CMAKE_GENERATOR} -D VERSION=${PROJECT_VERSION} -D SHARED=$<BOOL:${BUILD_SHARED_LIBS}>
      -D PKG_CONFIG=${PKG_CONFIG_EXECUTABLE}
      -P ${PROJECT_SOURCE_DIR}/tests/consumer/check.cmake)
  set_tests_properties(consumer_${name} PROPERTIES LABELS consumer TIMEOUT 600 ${ARGN})
endfunction()

find_package(PkgConfig REQUIRED)

coppice_consumer_test(install FIXTURES_SETUP coppice_stage)
coppice_consumer_test(package FIXTURES_REQUIRED coppice_stage)
coppice_consumer_test(pkg_config FIXTURES_REQUIRED coppice_stage)
coppice_consumer_test(subdirectory)
