/** Work of several parts registers each undo as it goes; a failure runs them backwards. */

export type Undo = () => Promise<void>

/**
 * Runs `work`; when it throws, runs what it registered with `onFailure`, last first. An undo that
 * fails itself does not hide the first error: all of them travel in one AggregateError.
 */
export async function withUndo<T>(
  work: (onFailure: (undo: Undo) => void) => Promise<T>,
): Promise<T> {
  const undos: Undo[] = []
  try {
    return await work((undo) => undos.push(undo))
  } catch (error) {
    const failures: unknown[] = []
    for (const undo of undos.reverse()) {
      try {
        await undo()
      } catch (failure) {
        failures.push(failure)
      }
    }
    if (failures.length === 0) throw error
    throw new AggregateError([error, ...failures], 'undo after a failure failed as well')
  }
}
