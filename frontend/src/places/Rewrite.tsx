export const Rewrite = () => <p>Rewrite</p>;
