module.exports = {
  globalSetup: '@lakelet/testing/setup',
  globalTeardown: '@lakelet/testing/teardown',
  testEnvironment: '@lakelet/testing/jest-environment',
  maxWorkers: 4,
  transform: {},
}
