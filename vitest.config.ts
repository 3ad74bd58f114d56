import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'bench/*.test.ts'],
    exclude: ['**/node_modules/**', 'dist/**', 'test/clients/**'],
    pool: 'forks',
    maxWorkers: 3, // more than cores: most of the time is waiting for processes that start and end
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
})
