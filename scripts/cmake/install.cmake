# Install tree: library, headers, CMake package and pkg-config file.
include(CMakePackageConfigHelpers)

set(coppice_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/coppice)
set(coppice_pkgconfig_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

install(
  TARGETS coppice
  EXPORT coppiceTargets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(
  DIRECTORY ${PROJECT_SOURCE_DIR}/include/coppice
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  FILES_MATCHING
  PATTERN "*.hpp")
install(
  EXPORT coppiceTargets
  NAMESPACE coppice::
  DESTINATION ${coppice_package_dir})

get_target_property(coppice_type coppice TYPE)
if(coppice_type STREQUAL "STATIC_LIBRARY")
  set(COPPICE_IS_STATIC ON)
else()
  set(COPPICE_IS_STATIC OFF)
endif()

configure_package_config_file(
  ${CMAKE_CURRENT_LIST_DIR}/coppiceConfig.cmake.in ${PROJECT_BINARY_DIR}/coppiceConfig.cmake
  INSTALL_DESTINATION ${coppice_package_dir}
  NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(
  ${PROJECT_BINARY_DIR}/coppiceConfigVersion.cmake
  VERSION ${PROJECT_VERSION}
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/coppiceConfig.cmake ${PROJECT_BINARY_DIR}/coppiceConfigVersion.cmake
        DESTINATION ${coppice_package_dir})

# The prefix is found from the file's own place, so that an install tree can be moved or staged.
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}" OR IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
  set(COPPICE_PC_PREFIX ${CMAKE_INSTALL_PREFIX})
  set(COPPICE_PC_LIBDIR ${CMAKE_INSTALL_FULL_LIBDIR})
  set(COPPICE_PC_INCLUDEDIR ${CMAKE_INSTALL_FULL_INCLUDEDIR})
else()
  file(RELATIVE_PATH coppice_pc_up "/${coppice_pkgconfig_dir}" "/")
  string(REGEX REPLACE "/$" "" coppice_pc_up "${coppice_pc_up}")
  set(COPPICE_PC_PREFIX "\${pcfiledir}/${coppice_pc_up}")
  set(COPPICE_PC_LIBDIR "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
  set(COPPICE_PC_INCLUDEDIR "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()

# A static coppice names hwloc publicly. Behind Requires.private a plain `pkg-config --libs` would leave
# hwloc's symbols undefined, and `--static` would ask for hwloc's own private libraries, whose development
# files most machines do not have.
if(COPPICE_IS_STATIC)
  set(COPPICE_PC_CFLAGS "")
  set(COPPICE_PC_REQUIRES hwloc)
  set(COPPICE_PC_REQUIRES_PRIVATE "")
  set(COPPICE_PC_LIBS " -lpthread")
else()
  set(COPPICE_PC_CFLAGS " -DCOPPICE_SHARED")
  set(COPPICE_PC_REQUIRES "")
  set(COPPICE_PC_REQUIRES_PRIVATE hwloc)
  set(COPPICE_PC_LIBS "")
endif()
configure_file(${CMAKE_CURRENT_LIST_DIR}/coppice.pc.in ${PROJECT_BINARY_DIR}/coppice.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/coppice.pc DESTINATION ${coppice_pkgconfig_dir})
