import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    globalSetup: ['@lakelet/testing/setup'],
    setupFiles: ['@lakelet/testing/file'],
    maxWorkers: 4,
  },
})
