/** Says a trouble when it is new, and not at every attempt that meets it again. */
export function onceEach(say: (error: Error) => void): (error: Error) => void {
  let last = "";
  return (error) => {
    if (error.message !== last) say(error);
    last = error.message;
  };
}
